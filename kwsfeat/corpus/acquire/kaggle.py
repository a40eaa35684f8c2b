"""The credentials that Kaggle asks for: read when they are needed, sent to Kaggle alone, never printed or stored."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from urllib.parse import urlsplit

from kwsfeat.errors import CorpusError

API = "https://www.kaggle.com/api/v1/competitions/data/download/tensorflow-speech-recognition-challenge"
RULES = "https://www.kaggle.com/c/tensorflow-speech-recognition-challenge/rules"
_HOSTS = ("www.kaggle.com",)
_OWN_HOSTS = ("127.0.0.1", "localhost", "::1")
_CURE = "make a token at https://www.kaggle.com/settings and save it as ~/.kaggle/kaggle.json, or set KAGGLE_USERNAME and KAGGLE_KEY"


def authorization(url: str) -> str | None:
    """The header for `url`; None for a server that is neither Kaggle (by https) nor this machine.

    Raises
    ------
    CorpusError
        If there are no credentials, or their file is damaged.
    """
    address = urlsplit(url)
    if not (address.hostname in _OWN_HOSTS or (address.hostname in _HOSTS and address.scheme == "https")):
        return None
    user, key = os.environ.get("KAGGLE_USERNAME", ""), os.environ.get("KAGGLE_KEY", "")
    if not (user and key):
        user, key = _from_file(Path(os.environ.get("KAGGLE_CONFIG_DIR") or Path.home() / ".kaggle") / "kaggle.json")
    return "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode()


def _from_file(file: Path) -> tuple[str, str]:
    try:
        values = json.loads(file.read_text(encoding="utf-8-sig"))
        return str(values["username"]), str(values["key"])
    except FileNotFoundError:
        raise CorpusError(f"Kaggle asks who you are, and there is no {file}: {_CURE}") from None
    except OSError as error:
        raise CorpusError(f"{file}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError):  # without the text, which may hold the key
        raise CorpusError(f"{file}: is not a Kaggle token: {_CURE}") from None
