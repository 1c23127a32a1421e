"""Settings: where each value comes from, what a file may say, and how a mistake in it is told."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import multidb
from multidb import STANDARD, Concern, ConfigError, RetentionPolicy, Settings, Tuning
from multidb.settings import FILE_NAME, user_folder
from tests.faults import damage, folder_fingerprint


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An environment in which nothing is set but the home."""
    return {"HOME": str(tmp_path / "home")}


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def load(env: Mapping[str, str], text: str, folder: Path, **options: Any) -> Settings:
    """Settings by a file of this text, named by option."""
    return Settings.load(file=write(folder / "named.toml", text), env=env, **options)


# --- precedence ------------------------------------------------------------------------------------------


def test_the_defaults(tmp_path: Path, env: dict[str, str]) -> None:
    """The platform's folder for a user's data, and the shelf in the root."""
    settings = Settings.load(env=env)

    assert user_folder("data", env) == settings.root
    assert settings.root / "backups" == settings.backups
    assert (None, (), RetentionPolicy(), {}) == (
        settings.file,
        settings.packs,
        settings.retention,
        settings.databases,
    )
    assert "default" == settings.effective()["root"].origin


def test_user_folders_follow_the_environment(tmp_path: Path) -> None:
    """XDG where it is set, the home otherwise."""
    env = {"HOME": "/home/me", "XDG_DATA_HOME": "/data", "XDG_CONFIG_HOME": ""}

    assert Path("/data/multidb") == user_folder("data", env)
    assert Path("/home/me/.config/multidb") == user_folder("config", env)


def test_option_beats_environment_beats_file_beats_default(tmp_path: Path, env: dict[str, str]) -> None:
    """For the root and for the shelf, each with its origin."""
    file = write(tmp_path / "named.toml", 'root = "by-file"\nbackups = "shelf-by-file"')
    both = {**env, "MULTIDB_ROOT": str(tmp_path / "by-env"), "MULTIDB_BACKUPS": str(tmp_path / "shelf-by-env")}

    def found(settings: Settings) -> list[tuple[str, str]]:
        values = settings.effective()
        return [(Path(values[key].value).name, values[key].origin) for key in ("root", "backups")]

    by_option = Settings.load(tmp_path / "by-option", file=file, backups=tmp_path / "shelf-by-option", env=both)
    by_env = Settings.load(file=file, env=both)
    by_file = Settings.load(file=file, env=env)
    by_default = Settings.load(env=env)

    assert [("by-option", "option"), ("shelf-by-option", "option")] == found(by_option)
    assert [("by-env", "environment"), ("shelf-by-env", "environment")] == found(by_env)
    assert [("by-file", f"file {file}"), ("shelf-by-file", f"file {file}")] == found(by_file)
    assert [("multidb", "default"), ("backups", "default")] == found(by_default)


def test_an_empty_variable_is_not_set(tmp_path: Path, env: dict[str, str]) -> None:
    """As everywhere in Unix."""
    empty = {**env, "MULTIDB_ROOT": "", "MULTIDB_CONFIG": "", "MULTIDB_BACKUPS": ""}

    assert Settings.load(env=env) == Settings.load(env=empty)


def test_which_file_is_read(tmp_path: Path, env: dict[str, str]) -> None:
    """The one that was named by option, by the environment, that in the root, the user's: at most one."""
    root = tmp_path / "root"
    user = write(user_folder("config", env) / FILE_NAME, "")
    found = [Settings.load(root, env=env).file]
    in_root = write(root / FILE_NAME, "")
    found.append(Settings.load(root, env=env).file)
    by_env = write(tmp_path / "env.toml", "")
    found.append(Settings.load(root, env={**env, "MULTIDB_CONFIG": str(by_env)}).file)
    by_option = write(tmp_path / "option.toml", "")
    found.append(Settings.load(root, file=by_option, env={**env, "MULTIDB_CONFIG": str(by_env)}).file)

    assert [user, in_root, by_env, by_option] == found


def test_loading_writes_nothing(tmp_path: Path, env: dict[str, str]) -> None:
    """No folder is made for looking."""
    write(tmp_path / "root" / FILE_NAME, "")
    before = folder_fingerprint(tmp_path)

    Settings.load(tmp_path / "root", env=env)

    assert before == folder_fingerprint(tmp_path)


# --- paths -----------------------------------------------------------------------------------------------


def test_relative_paths_are_relative_to_the_file(tmp_path: Path, env: dict[str, str]) -> None:
    """Not to where the program was started."""
    text = """
        root = "db"
        backups = "../shelf"
        [databases.beads]
        path = "project/.beads/beads.db"
        [databases.notes]
        migrations = "migrations/notes"
    """
    settings = load(env, text, tmp_path / "etc")
    concerns = {concern.name: concern for concern in settings.concerns()}

    assert (tmp_path / "etc" / "db", tmp_path / "shelf") == (settings.root, settings.backups)
    assert tmp_path / "etc" / "project" / ".beads" / "beads.db" == concerns["beads"].path
    assert tmp_path / "etc" / "migrations" / "notes" == concerns["notes"].migrations


def test_a_tilde_is_the_home(tmp_path: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """In the file, the environment, the option and a Concern."""
    monkeypatch.setenv("HOME", str(tmp_path))
    home = tmp_path / "db"

    assert home == load(env, 'root = "~/db"', tmp_path / "etc").root
    assert home == Settings.load("~/db", env=env).root == Settings.load(env={**env, "MULTIDB_ROOT": "~/db"}).root
    assert home == Settings(root="~/db").root == Settings(root="/x").at("~/db").root
    assert home == Settings(root="/x").path_of(Concern("a", path=Path("~/db")))


def test_relative_options_are_relative_to_here(
    tmp_path: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And are absolute from then on, wherever the program goes."""
    monkeypatch.chdir(tmp_path)
    settings = Settings.load("db", env=env)
    monkeypatch.chdir("/")

    assert tmp_path / "db" == settings.root
    assert tmp_path / "db" / "chat.sqlite" == settings.path_of(Concern("chat"))


@pytest.mark.parametrize("bad", ["a\0b", "", 5, b"db", ["db"], "~nobody-of-this-name/db"])
def test_paths_that_are_none(tmp_path: Path, bad: Any, env: dict[str, str]) -> None:
    """As an option, in the environment, in code: told by name, before anything is opened."""
    with pytest.raises(ConfigError, match="root"):
        multidb.open(bad)
    with pytest.raises(ConfigError, match="root"):
        Settings(root=bad)
    with pytest.raises(ConfigError, match="backups"):
        Settings(root="/x", backups=bad)


def test_paths_of_concerns_that_are_none(tmp_path: Path) -> None:
    """What only shows when the path is worked out is told, too."""
    with pytest.raises(ConfigError, match="the path of a"):
        Settings(root=tmp_path).path_of(Concern("a", path=Path("~nobody-of-this-name/db")))


def test_a_file_in_the_root_cannot_name_the_root(tmp_path: Path, env: dict[str, str]) -> None:
    """It would send the next program elsewhere; the default root's own file, too. A named file may."""
    text = 'root = "elsewhere"'
    in_root = write(tmp_path / "root" / FILE_NAME, text)
    write(user_folder("data", env) / FILE_NAME, text)

    with pytest.raises(ConfigError, match="cannot name the root") as refusal:
        Settings.load(in_root.parent, env=env)
    with pytest.raises(ConfigError, match="cannot name the root"):
        Settings.load(env={**env, "MULTIDB_ROOT": str(in_root.parent)})
    with pytest.raises(ConfigError, match="cannot name the root"):
        Settings.load(env=env)

    assert refusal.value.hint
    assert tmp_path / "root" / "elsewhere" == Settings.load(file=in_root, env=env).root


def test_another_root_for_the_same_settings(tmp_path: Path) -> None:
    """A shelf inside the root moves with it, one elsewhere stays."""
    inside = Settings(root=tmp_path / "a").at(tmp_path / "b")
    elsewhere = Settings(root=tmp_path / "a", backups=tmp_path / "shelf").at(tmp_path / "b")

    assert (tmp_path / "b" / "backups", tmp_path / "shelf") == (inside.backups, elsewhere.backups)
    assert "option" == inside.effective()["root"].origin


# --- what a file may say ---------------------------------------------------------------------------------


def test_a_whole_file(tmp_path: Path, env: dict[str, str]) -> None:
    """Packs come after the standard concerns, those of the application's own last."""
    text = """
        packs = ["openagents"]
        [backups_retention]
        keep_last = 7
        [databases.chat]
        readers = 2
        [databases.chat.tuning]
        cache_kib = 65536
        synchronous = "full"
        [databases.beads]
        path = "beads.db"
        [databases.tempolite]
        path = "tempolite.db"
        owner = "multidb"
        [databases.notes]
        migrations = "notes"
        lazy = true
        [databases.scratch]
        filename = "scratch.db"
        required = false
        read_only = true
        extensions = ["sqlite_vec"]
    """
    settings = load(env, text, tmp_path)
    concerns = {concern.name: concern for concern in settings.concerns()}

    assert [*(concern.name for concern in STANDARD), "openagents", "notes", "scratch"] == list(concerns)
    assert (2, Tuning(cache_kib=65536, synchronous="full")) == (concerns["chat"].readers, concerns["chat"].tuning)
    assert (True, False) == (concerns["beads"].is_foreign, concerns["tempolite"].is_foreign)
    assert (True, ("sqlite_vec",)) == (concerns["notes"].lazy, concerns["scratch"].extensions)
    assert settings.root / "scratch.db" == settings.path_of(concerns["scratch"])
    assert RetentionPolicy(keep_last=7) == settings.retention


def test_a_pack_is_added_once(tmp_path: Path) -> None:
    """Also where the program names it itself."""
    settings = Settings(root=tmp_path, packs=["devstream", "devstream"])

    names = [concern.name for concern in settings.concerns([Concern("devstream")])]

    assert ["devstream"] == names


def test_a_file_name_in_the_file_beats_a_path_in_the_program(tmp_path: Path) -> None:
    """The file is what the operator can change."""
    settings = Settings(root=tmp_path, databases={"a": {"filename": "other.sqlite"}})

    (concern,) = settings.concerns([Concern("a", path=Path("/elsewhere/a.sqlite"))])

    assert tmp_path / "other.sqlite" == settings.path_of(concern)


def test_every_value_in_force_has_its_origin(tmp_path: Path, env: dict[str, str]) -> None:
    """What `multidb config` prints: nothing is left out, and what the file said is marked."""
    text = """
        packs = ["episodic"]
        [backups_retention]
        keep_daily = 3
        [databases.chat]
        filename = "talk.sqlite"
        [databases.chat.tuning]
        cache_kib = 1
    """
    settings = load(env, text, tmp_path)
    values = settings.effective()
    origin = f"file {tmp_path / 'named.toml'}"
    from_file = {key for key, setting in values.items() if setting.origin == origin}

    assert {"packs", "databases.chat.path", "databases.chat.tuning.cache_kib"} <= from_file
    assert {f"backups_retention.keep_{age}" for age in ("last", "daily", "hourly", "weekly", "monthly", "yearly")} == {
        key for key in values if key.startswith("backups_retention")
    }
    assert 1 == values["databases.chat.tuning.cache_kib"].value
    assert str(settings.root / "talk.sqlite") == values["databases.chat.path"].value
    assert {"default"} == {setting.origin for key, setting in values.items() if key.startswith("databases.code.")}
    assert len(Tuning.__attrs_attrs__) == len([key for key in values if key.startswith("databases.code.tuning.")])


def test_the_desk_has_its_settings(root: Path) -> None:
    """What it was opened by can be asked of it."""
    with multidb.open(root) as dbs:
        assert str(root) == dbs.settings.effective()["root"].value
        assert "option" == dbs.settings.effective()["root"].origin


def test_a_file_for_the_desk(tmp_path: Path) -> None:
    """`settings=` takes a path, too; `root` beats it."""
    file = write(tmp_path / "named.toml", 'root = "by-file"\n[databases.notes]\nfilename = "notes.sqlite"')

    with multidb.open(settings=file) as by_file:
        first = by_file.settings.root, "notes" in by_file
    with multidb.open(tmp_path / "by-option", settings=str(file)) as by_option:
        second = by_option.settings.root
    with multidb.open(tmp_path / "again", settings=Settings.load(file=file)) as again:
        third = again.settings.root

    assert ((tmp_path / "by-file", True), tmp_path / "by-option", tmp_path / "again") == (first, second, third)


# --- mistakes --------------------------------------------------------------------------------------------

MISTAKES: list[tuple[str, str, str]] = [  # the text, a word of the message, a word of the hint
    ('rooot = "x"', "rooot", "did you mean 'root'?"),
    ("[backup_retention]\nkeep_last = 1", "backup_retention", "did you mean 'backups_retention'?"),
    ("[backups_retention]\nkeep_lsat = 1", "keep_lsat", "did you mean 'keep_last'?"),
    ('[databases.chat]\npaht = "x"', "paht", "did you mean 'path'?"),
    ("[databases.chat.tuning]\ncache_kb = 1", "cache_kb", "did you mean 'cache_kib'?"),
    ("[databases.caht]\nreaders = 1", "databases.caht", "did you mean 'chat'?"),
    ('packs = ["openagent"]', "openagent", "did you mean 'openagents'?"),
    ("packs = [5]", "5", "known"),
    ("packs = [[]]", "[]", "known"),
    ('packs = "openagents"', "packs", "list"),
    ("root = 5", "root", "path"),
    ('root = ""', "root", "path"),
    ('root = "a\\u0000b"', "root", "path"),
    ("backups = []", "backups", "path"),
    ("backups_retention = 5", "backups_retention", ""),
    ("[backups_retention]\nkeep_last = -1", "keep_last", "whole number"),
    ('[backups_retention]\nkeep_last = "7"', "keep_last", "whole number"),
    ("[backups_retention]\nkeep_last = true", "keep_last", "whole number"),
    ("databases = 5", "databases", ""),
    ("[databases]\nchat = 5", "databases.chat", ""),
    ("[databases.chat]\npath = 5", "path", "path"),
    ('[databases.chat]\npath = ""', "path", "path"),
    ('[databases.chat]\npath = "a"\nfilename = "b"', "path and a filename", "one"),
    ("[databases.chat]\nfilename = 5", "file name", "path"),
    ('[databases.chat]\nfilename = "a/b"', "file name", "path"),
    ('[databases.chat]\nowner = "me"', "owner", "multidb or foreign"),
    ("[databases.chat]\nowner = []", "owner", "multidb or foreign"),
    ('[databases.chat]\nrequired = "yes"', "required", "true or false"),
    ("[databases.chat]\nlazy = 1", "lazy", "true or false"),
    ("[databases.chat]\nread_only = []", "read_only", "true or false"),
    ("[databases.chat]\nreaders = 0", "readers", "whole number"),
    ('[databases.chat]\nreaders = "4"', "readers", "whole number"),
    ("[databases.chat]\nmigrations = 5", "migrations", "path"),
    ('[databases.chat]\nextensions = "sqlite_vec"', "extensions", "list"),
    ("[databases.chat]\nextensions = [5]", "extension", "known"),
    ("[databases.chat]\ntuning = 5", "tuning", ""),
    ('[databases.chat.tuning]\nsynchronous = "Full"', "synchronous", "full"),
    ("[databases.chat.tuning]\nforeign_keys = 1", "foreign_keys", "true or false"),
    ("[databases.chat.tuning]\ncache_kib = 1.5", "cache_kib", "whole number"),
    ('[databases."no name"]\nfilename = "x"', "no name", "lower-case"),
    ('[databases.""]\nfilename = "x"', "''", "lower-case"),
    ("root = ", "TOML", ""),
    ("[databases.chat]\n[databases.chat]", "TOML", ""),
]


@pytest.mark.parametrize(("text", "word", "hint"), MISTAKES, ids=[text.replace("\n", " ") for text, _, _ in MISTAKES])
def test_a_mistake_is_told_by_its_place(tmp_path: Path, env: dict[str, str], text: str, word: str, hint: str) -> None:
    """File, table and key are in the message, and what was meant in the hint; exit status 10."""
    with pytest.raises(ConfigError) as refusal:
        load(env, text, tmp_path).concerns()

    assert word in refusal.value.message
    assert hint in (refusal.value.hint or "")
    assert 10 == refusal.value.exit_status
    if not text.startswith("packs"):
        assert "named.toml" in refusal.value.message


@pytest.mark.parametrize("text", [text for text, _, _ in MISTAKES])
def test_a_mistake_opens_nothing(tmp_path: Path, text: str) -> None:
    """No folder, no file, no connection."""
    file = write(tmp_path / "named.toml", text)
    before = folder_fingerprint(tmp_path)

    with pytest.raises(ConfigError):
        multidb.open(None if text.startswith("root") else tmp_path / "db", settings=file)

    assert before == folder_fingerprint(tmp_path)


def test_files_that_cannot_be_read(tmp_path: Path, env: dict[str, str]) -> None:
    """Missing, a folder, no UTF-8, without the right: each a ConfigError that names the path."""
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    for bad in (tmp_path / "missing.toml", tmp_path, binary):
        with pytest.raises(ConfigError) as refusal:
            Settings.load(file=bad, env=env)
        assert str(bad) in refusal.value.message
    in_root = write(tmp_path / "root" / FILE_NAME, "")
    with damage.unreadable(in_root), pytest.raises(ConfigError):
        Settings.load(in_root.parent, env=env)


def test_what_only_looks_like_a_settings_file_is_passed_by(tmp_path: Path, env: dict[str, str]) -> None:
    """A folder or a pipe of that name in the root is not read."""
    (tmp_path / "a" / FILE_NAME).mkdir(parents=True)
    (tmp_path / "b").mkdir()
    os.mkfifo(tmp_path / "b" / FILE_NAME)

    assert Settings.load(tmp_path / "a", env=env).file is None
    assert Settings.load(tmp_path / "b", env=env).file is None


def test_settings_made_by_hand_are_checked_the_same(tmp_path: Path) -> None:
    """A typing mistake in code is told like one in a file."""
    with pytest.raises(ConfigError, match="paht"):
        Settings(root=tmp_path, databases={"chat": {"paht": "x"}})
    with pytest.raises(ConfigError, match="cache_kb"):
        Settings(root=tmp_path, databases={"chat": {"tuning": {"cache_kb": 1}}}).concerns()
    with pytest.raises(ConfigError, match="openagent"):
        Settings(root=tmp_path, packs=["openagent"])
    with pytest.raises(ConfigError, match="keep_last"):
        RetentionPolicy(keep_last=-1)
