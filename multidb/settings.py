"""Where the databases are and how they are tuned: each value with its origin.

Precedence: option > environment > file > default. The file is `multidb.toml`: the one that was named, else
the one in the root, else the one in the user's configuration directory. An unknown key is an error that
offers the closest known one; relative paths are relative to the file that holds them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import attrs

from multidb.concerns import PACKS, STANDARD, Concern, closest, tuning_from
from multidb.errors import ConfigError

FILE_NAME: Final = "multidb.toml"
_TOP_KEYS: Final = ("root", "packs", "backups", "backups_retention", "databases")
_DATABASE_KEYS: Final = (
    "path",
    "filename",
    "owner",
    "required",
    "lazy",
    "read_only",
    "readers",
    "migrations",
    "extensions",
    "tuning",
)


@attrs.frozen(kw_only=True)
class RetentionPolicy:
    """How many sets of each age a prune keeps; the rules are joined by "or". All zero is no policy."""

    keep_last: int = 0
    keep_hourly: int = 0
    keep_daily: int = 0
    keep_weekly: int = 0
    keep_monthly: int = 0
    keep_yearly: int = 0

    def __attrs_post_init__(self) -> None:
        for key, value in attrs.asdict(self).items():
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise ConfigError(f"{key} cannot be {value!r}", hint="a whole number, 0 or more")


@attrs.frozen
class Setting:
    """One value in force and where it came from: option, environment, file or default."""

    value: Any
    origin: str


def place(value: object, where: str, base: Path = Path()) -> Path:
    """The absolute path that `value` means, `~` and what is relative to `base` worked out; links are not followed.

    Raises ConfigError, which begins with `where`.
    """
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise ConfigError(f"{where} cannot be {value!r}", hint="a path, as text")
    try:
        return Path(os.path.abspath(base / Path(text).expanduser()))
    except RuntimeError as error:  # ~somebody who is unknown here
        raise ConfigError(f"{where} cannot be {value!r}: {error}") from None


def _root(value: str | os.PathLike[str]) -> Path:
    return place(value, "root")


def _shelf(value: str | os.PathLike[str]) -> Path:
    return place(value, "backups")


def _packs(value: Sequence[str]) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"packs cannot be {value!r}", hint="a list of names")
    for pack in value:
        if not isinstance(pack, str) or pack not in PACKS:
            raise ConfigError(f"no pack is called {pack!r}", hint=closest(pack, PACKS))
    return tuple(value)


@attrs.frozen(kw_only=True)
class Settings:
    """What `multidb.open` and the command line go by; `load` finds and checks it.

    `databases` has what the file says of each concern, in the words of the settings file.
    """

    root: Path = attrs.field(converter=_root)
    backups: Path = attrs.field(
        default=attrs.Factory(lambda self: self.root / "backups", takes_self=True), converter=_shelf
    )
    packs: tuple[str, ...] = attrs.field(default=(), converter=_packs)
    retention: RetentionPolicy = RetentionPolicy()
    databases: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    file: Path | None = None
    origins: Mapping[str, str] = attrs.field(factory=dict, repr=False)

    def __attrs_post_init__(self) -> None:
        where = str(self.file or "settings")
        _check_keys(self.databases, None, f"{where}: [databases]")
        for name, values in self.databases.items():
            _check_keys(values, _DATABASE_KEYS, f"{where}: [databases.{name}]")
            if "path" in values and "filename" in values:
                raise ConfigError(f"{where}: [databases.{name}] has a path and a filename", hint="give one of them")
            _check_keys(values.get("tuning", {}), None, f"{where}: [databases.{name}.tuning]")

    @classmethod
    def load(
        cls,
        root: str | os.PathLike[str] | None = None,
        *,
        file: str | os.PathLike[str] | None = None,
        backups: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Self:
        """The settings in force for this root and file; reads at most one TOML file and writes nothing.

        Raises ConfigError for a file that cannot be read, is no TOML, or holds an unknown or impossible value.
        """
        env = os.environ if env is None else env
        origins: dict[str, str] = {}
        asked = _first(origins, "root", root, env.get("MULTIDB_ROOT"))
        named = _first({}, "config", file, env.get("MULTIDB_CONFIG"))
        usual_root = asked if asked is not None else user_folder("data", env)
        path, raw = _read_file(named, usual_root, env)
        base, where = (path.parent, f"file {path}") if path is not None else (Path(), "")
        _check_keys(raw, _TOP_KEYS, str(path))
        in_file = {key: place(raw[key], f"{path}: {key}", base) for key in ("root", "backups") if key in raw}
        if "root" in in_file and named is None and path == usual_root / FILE_NAME:
            raise ConfigError(
                f"{path}: a settings file in the root cannot name the root",
                path=str(path),
                hint="take the line out, or put the file where MULTIDB_CONFIG or --config name it",
            )
        shelf = _first(origins, "backups", backups, env.get("MULTIDB_BACKUPS"))
        if asked is None:
            origins["root"] = where if "root" in in_file else "default"
        if shelf is None and "backups" in in_file:
            origins["backups"] = where
        origins |= {key: where for key in ("packs", "backups_retention") if key in raw}
        target = asked or in_file.get("root", usual_root)
        return cls(
            root=target,
            backups=shelf or in_file.get("backups", target / "backups"),
            packs=raw.get("packs", ()),
            retention=_retention(raw.get("backups_retention", {}), str(path)),
            databases=_databases(raw.get("databases", {}), base, str(path)),
            file=path,
            origins=origins,
        )

    def at(self, root: str | os.PathLike[str]) -> Self:
        """The same settings for another root; a shelf inside the old root moves with it."""
        target = place(root, "root")
        backups = self.backups
        if backups == self.root / "backups":
            backups = target / "backups"
        return attrs.evolve(self, root=target, backups=backups, origins={**self.origins, "root": "option"})

    def concerns(self, base: Iterable[Concern] = STANDARD) -> tuple[Concern, ...]:
        """`base`, then the packs, then the file's own concerns, each with the file's values put over it."""
        by_name = {concern.name: concern for concern in base}
        for pack in self.packs:
            by_name.setdefault(pack, PACKS[pack])
        for name, values in self.databases.items():
            by_name[name] = self._changed(name, by_name, values)
        return tuple(by_name.values())

    def _changed(self, name: str, known: Mapping[str, Concern], values: Mapping[str, Any]) -> Concern:
        where = f"{self.file or 'settings'}: [databases.{name}]"
        if name not in known and not {"path", "filename", "migrations"} & set(values):
            raise ConfigError(
                f"{where} is no known concern, and has no path, filename or migrations to be one of your own",
                hint=closest(name, known),
            )
        try:
            concern = known[name] if name in known else Concern(name)
            tuning = tuning_from(values.get("tuning", {}), concern.tuning, where)
            changes = {"path": None} if "filename" in values else {}
            return attrs.evolve(concern, **{**changes, **values, "tuning": tuning})
        except ConfigError as error:
            message = error.message if error.message.startswith(where) else f"{where}: {error.message}"
            raise ConfigError(message, concern=name, hint=error.hint) from None

    def path_of(self, concern: Concern) -> Path:
        """Where a concern's file stands, before symbolic links are followed."""
        if concern.path is not None:
            return place(concern.path, f"the path of {concern.name}")
        return self.root / (concern.filename or f"{concern.name}.sqlite")

    def effective(self, concerns: Iterable[Concern] | None = None) -> dict[str, Setting]:
        """Every value in force by its dotted name, with its origin, as `multidb config` prints it."""
        found: dict[str, Setting] = {}
        for key, value in (("root", str(self.root)), ("backups", str(self.backups)), ("packs", self.packs)):
            found[key] = Setting(value, self.origins.get(key, "default"))
        for key, value in attrs.asdict(self.retention).items():
            found[f"backups_retention.{key}"] = Setting(value, self.origins.get("backups_retention", "default"))
        for concern in self.concerns() if concerns is None else concerns:
            mine = self.databases.get(concern.name, {})
            values: dict[str, Any] = {"path": str(self.path_of(concern))}
            values["owner"] = "foreign" if concern.is_foreign else "multidb"
            values |= {key: getattr(concern, key) for key in ("required", "lazy", "read_only", "readers")}
            values |= {"extensions": concern.extensions, "migrations": _shown(concern.migrations)}
            for key, value in values.items():
                is_mine = key in mine or (key == "path" and "filename" in mine)
                found[f"databases.{concern.name}.{key}"] = Setting(value, self._origin(is_mine))
            tuned = mine.get("tuning", {})
            for key, value in attrs.asdict(concern.tuning).items():
                found[f"databases.{concern.name}.tuning.{key}"] = Setting(value, self._origin(key in tuned))
        return found

    def _origin(self, in_file: bool) -> str:
        return f"file {self.file}" if in_file else "default"


def user_folder(kind: str, env: Mapping[str, str]) -> Path:
    """The platform's place for this user's `data` or `config` of the program `multidb`."""
    home = Path(env.get("HOME") or Path.home())
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "multidb"
    if sys.platform == "win32":
        return Path(env.get("LOCALAPPDATA") or home / "AppData" / "Local") / "multidb"
    variable, fallback = {
        "data": ("XDG_DATA_HOME", home / ".local" / "share"),
        "config": ("XDG_CONFIG_HOME", home / ".config"),
    }[kind]
    return Path(env.get(variable) or fallback) / "multidb"


def _first(origins: dict[str, str], key: str, option: object, variable: str | None) -> Path | None:
    if option is not None:
        origins[key] = "option"
        return place(option, key)
    if variable:
        origins[key] = "environment"
        return place(variable, f"MULTIDB_{key.upper()}")
    return None


def _read_file(named: Path | None, root: Path, env: Mapping[str, str]) -> tuple[Path | None, dict[str, Any]]:
    if named is not None:
        return named, _parsed(named)
    for candidate in (root / FILE_NAME, user_folder("config", env) / FILE_NAME):
        if os.path.isfile(candidate):
            return candidate, _parsed(candidate)
    return None, {}


def _parsed(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no settings file stands at {path}", path=str(path)) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as TOML: {error}", path=str(path)) from error


def _check_keys(table: object, known: Sequence[str] | None, where: str) -> None:
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where} must be a table, not {table!r}")
    for key in table:
        if known is not None and key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}", hint=closest(key, known))


def _retention(table: object, where: str) -> RetentionPolicy:
    known = [field.name for field in attrs.fields(RetentionPolicy)]
    _check_keys(table, known, f"{where}: [backups_retention]")
    assert isinstance(table, Mapping)
    try:
        return RetentionPolicy(**table)
    except ConfigError as error:
        raise ConfigError(f"{where}: [backups_retention]: {error.message}", hint=error.hint) from None


def _databases(table: object, base: Path, where: str) -> dict[str, dict[str, Any]]:
    """The file's tables with their paths made absolute; what is no table is for `Settings` to refuse."""
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where}: [databases] must be a table, not {table!r}")
    found: dict[str, Any] = {name: dict(t) if isinstance(t, Mapping) else t for name, t in table.items()}
    for name, values in found.items():
        for key in ("path", "migrations"):
            if isinstance(values, dict) and key in values:
                values[key] = place(values[key], f"{where}: [databases.{name}]: {key}", base)
    return found


def _shown(migrations: object) -> str | None:
    return None if migrations is None else str(migrations)
