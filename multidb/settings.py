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

from multidb.concerns import PACKS, STANDARD, Concern, Tuning, closest, tuning_from
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
                raise ConfigError(f"retention: {key} cannot be {value!r}", hint="a whole number, 0 or more")


@attrs.frozen
class Setting:
    """One value in force and where it came from: option, environment, file or default."""

    value: Any
    origin: str


@attrs.frozen(kw_only=True)
class Settings:
    """What `multidb.open` and the command line go by; `load` finds and checks it."""

    root: Path = attrs.field(converter=Path)
    backups: Path = attrs.field(
        default=attrs.Factory(lambda self: self.root / "backups", takes_self=True), converter=Path
    )
    packs: tuple[str, ...] = ()
    retention: RetentionPolicy = RetentionPolicy()
    databases: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    file: Path | None = None
    origins: Mapping[str, str] = attrs.field(factory=dict, repr=False)

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
        asked = _first(origins, "root", (root, "option"), (env.get("MULTIDB_ROOT"), "environment"))
        named = _first({}, "file", (file, "option"), (env.get("MULTIDB_CONFIG"), "environment"))
        path, raw = _read_file(named, asked, env)
        _check_keys(raw, _TOP_KEYS, str(path))
        base = Path(path).parent if path is not None else Path()

        in_file = raw.get("root")
        if in_file is not None and named is None and asked is not None and path == asked / FILE_NAME:
            raise ConfigError(f"{path}: a settings file in the root cannot name the root", path=str(path))
        if asked is None:
            asked = _resolved(in_file, base, "root") if in_file is not None else user_folder("data", env)
            origins["root"] = f"file {path}" if in_file is not None else "default"

        shelf = _first(origins, "backups", (backups, "option"), (env.get("MULTIDB_BACKUPS"), "environment"))
        if shelf is None and "backups" in raw:
            shelf, origins["backups"] = _resolved(raw["backups"], base, "backups"), f"file {path}"
        for key in ("packs", "backups_retention"):
            if key in raw:
                origins[key] = f"file {path}"
        return cls(
            root=asked,
            backups=shelf if shelf is not None else asked / "backups",
            packs=_packs(raw.get("packs", ())),
            retention=_retention(raw.get("backups_retention", {}), str(path)),
            databases=_databases(raw.get("databases", {}), base, str(path)),
            file=path,
            origins=origins,
        )

    def at(self, root: str | os.PathLike[str]) -> Self:
        """The same settings for another root; a shelf inside the old root moves with it."""
        target = Path(os.path.abspath(Path(root).expanduser()))
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
            known = by_name.get(name)
            if known is None and not {"path", "filename", "migrations"} & set(values):
                raise ConfigError(
                    f"{self.file}: [databases.{name}] is no known concern",
                    hint=closest(name, by_name) or "give it a path, filename or migrations to make it one",
                )
            changes = dict(values)
            tuning = tuning_from(
                changes.pop("tuning", {}),
                known.tuning if known else Tuning(),
                f"{self.file}: [databases.{name}.tuning]",
            )
            by_name[name] = attrs.evolve(known or Concern(name), tuning=tuning, **changes)
        return tuple(by_name.values())

    def path_of(self, concern: Concern) -> Path:
        """Where a concern's file stands, before symbolic links are followed."""
        if concern.path is not None:
            return Path(os.path.abspath(concern.path.expanduser()))
        return Path(os.path.abspath(self.root)) / (concern.filename or f"{concern.name}.sqlite")

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
                found[f"databases.{concern.name}.{key}"] = Setting(value, self._origin(key in mine))
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


def _first(origins: dict[str, str], key: str, *candidates: tuple[Any, str]) -> Path | None:
    for value, origin in candidates:
        if value is not None and os.fspath(value) != "":
            origins[key] = origin
            return Path(os.path.abspath(Path(value).expanduser()))
    return None


def _read_file(named: Path | None, root: Path | None, env: Mapping[str, str]) -> tuple[Path | None, dict[str, Any]]:
    if named is not None:
        return named, _parsed(named)
    default_root = root if root is not None else user_folder("data", env)
    for candidate in (default_root / FILE_NAME, user_folder("config", env) / FILE_NAME):
        if candidate.is_file():
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


def _check_keys(table: object, known: Sequence[str], where: str) -> None:
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where} must be a table")
    for key in table:
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}", hint=closest(key, known))


def _resolved(value: object, base: Path, where: str) -> Path:
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{where} must be a path, not {value!r}")
    return Path(os.path.abspath(base / Path(value).expanduser()))


def _packs(value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"packs must be a list, not {value!r}")
    for pack in value:
        if pack not in PACKS:
            raise ConfigError(f"no pack is called {pack!r}", hint=closest(pack, PACKS))
    return tuple(value)


def _retention(table: object, where: str) -> RetentionPolicy:
    known = [field.name for field in attrs.fields(RetentionPolicy)]
    _check_keys(table, known, f"{where}: [backups_retention]")
    assert isinstance(table, Mapping)
    return RetentionPolicy(**table)


def _databases(table: object, base: Path, where: str) -> dict[str, dict[str, Any]]:
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where}: databases must be a table")
    found: dict[str, dict[str, Any]] = {}
    for name, values in table.items():
        here = f"{where}: [databases.{name}]"
        _check_keys(values, _DATABASE_KEYS, here)
        found[name] = dict(values)
        for key in ("path", "migrations"):
            if key in values:
                found[name][key] = _resolved(values[key], base, f"{here}: {key}")
        for key in ("required", "lazy", "read_only"):
            if not isinstance(values.get(key, False), bool):
                raise ConfigError(f"{here}: {key} must be true or false, not {values[key]!r}")
        if not isinstance(values.get("extensions", []), list):
            raise ConfigError(f"{here}: extensions must be a list")
        _check_keys(values.get("tuning", {}), [f.name for f in attrs.fields(Tuning)], f"{here}.tuning")
    return found


def _shown(migrations: object) -> str | None:
    return None if migrations is None else str(migrations)
