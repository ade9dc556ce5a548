"""Kernel settings come from the environment, the file, Admin or the default, and say which."""

from __future__ import annotations

from pathlib import Path

import pytest
from jackfield_kernel.config import ConfigInvalid, ConfigPinned, OriginKind, data_directory, load_config


def file_with(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "jackfield.yaml"
    path.write_text(text)
    return path


def test_without_anything_the_defaults_hold() -> None:
    config = load_config(None, {}, {})
    assert (config.settings.metrics.host, config.settings.metrics.port) == ("127.0.0.1", 8422)
    assert config.settings.journal.retention == 7 * 86400
    assert config.origin("metrics.port").kind is OriginKind.DEFAULT


def test_the_environment_wins_over_the_file_and_the_file_over_admin(tmp_path: Path) -> None:
    path = file_with(tmp_path, "metrics: {port: 2, host: '::1'}\nlog: {level: debug}")
    admin = {"metrics": {"port": 3, "host": "x", "enabled": False}}
    config = load_config(path, {"JACKFIELD_METRICS__PORT": "1"}, admin)
    metrics = config.settings.metrics
    assert (metrics.port, metrics.host, metrics.enabled) == (1, "::1", False)
    assert str(config.origin("metrics.port")) == "environment JACKFIELD_METRICS__PORT"
    assert str(config.origin("metrics.host")) == f"file {path}"
    assert config.origin("metrics.enabled").kind is OriginKind.ADMIN


def test_a_pinned_key_names_what_pins_it(tmp_path: Path) -> None:
    config = load_config(file_with(tmp_path, "log: {level: debug}"), {}, {"log": {"format": "json"}})
    with pytest.raises(ConfigPinned, match=r"log\.level is set by file .*jackfield\.yaml"):
        config.require_free("log.level")
    config.require_free("log.format")


def test_unknown_keys_warn_with_a_suggestion_and_change_nothing(tmp_path: Path) -> None:
    path = file_with(tmp_path, "metrcs: {port: 1}\nplugins: {echo: {enabld: false, config: {any: thing}}}")
    config = load_config(path, {"JACKFIELD_METRICS__PROT": "9", "JACKFIELD_DATA": "/x"}, {})
    warned = {problem.key: problem.remedy for problem in config.warnings}
    assert warned["metrcs"] == "Did you mean metrics?"
    assert warned["plugins.echo.enabld"] == "Did you mean enabled?"
    assert warned["JACKFIELD_METRICS__PROT"] == "Did you mean JACKFIELD_METRICS__PORT?"
    assert len(warned) == 3
    assert config.settings.plugins["echo"].config == {"any": "thing"}


def test_wrong_values_are_errors_named_by_their_source(tmp_path: Path) -> None:
    path = file_with(tmp_path, "journal: {retention: soon}")
    with pytest.raises(ConfigInvalid) as caught:
        load_config(path, {"JACKFIELD_METRICS__PORT": "http"}, {})
    found = {problem.key: problem.file for problem in caught.value.problems}
    assert found == {"JACKFIELD_METRICS__PORT": "environment", "journal.retention": str(path)}


def test_folders_in_the_file_are_relative_to_it(tmp_path: Path) -> None:
    path = file_with(tmp_path, "plugin_dirs: [mine]\nplugins: {echo: {directory: ./echo}}")
    settings = load_config(path, {}, {}).settings
    assert settings.plugin_dirs == [tmp_path / "mine"]
    assert settings.plugins["echo"].directory == tmp_path / "echo"


def test_the_data_directory_has_three_sources(tmp_path: Path) -> None:
    environ = {"JACKFIELD_DATA": "/from/variable", "XDG_DATA_HOME": "/xdg"}
    assert data_directory(tmp_path, environ) == tmp_path
    assert data_directory(None, environ) == Path("/from/variable")
    assert data_directory(None, {"XDG_DATA_HOME": "/xdg"}) == Path("/xdg/jackfield")
