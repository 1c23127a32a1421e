"""The command line: each verb parses, calls the desk once, and answers; `running` shows the answer.

stdout is data, stderr is talk. `program` has the verbs, `answer` the exit statuses, `document` the JSON,
`render` what people see; the contract for scripts is the table in `multidb --help`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from multidb.cli.signals import Signals


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv`; the exit status.

    Without `argv` it is the process's own, and running it is its last act: `sys.exit(main())`.
    """
    with Signals(is_last_act=argv is None) as signals:
        from multidb.cli.running import run  # signals wait meanwhile: Ctrl-C at once is no traceback

        return run(list(sys.argv[1:] if argv is None else argv), signals)
