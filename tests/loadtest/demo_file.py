"""A demo.json as `tanbi demo` writes it (DESIGN §6), for the bins and cards of `prepared`."""

import base64
import json
from pathlib import Path

from tests.loadtest.prepared import BINS, CARDS, MACHINES


def write_demo(path: Path, base_url: str = "http://127.0.0.1:8080") -> Path:
    """Write the file; returns its path."""
    bins = [
        {
            "id": item.bin_id,
            "alg": str(item.key.algorithm),
            "keyid": item.key.keyid,
            "private_key": base64.b64encode(item.key.secret).decode(),
        }
        for item in BINS
    ]
    residents = [{"id": number, "card": card, "token": "t"} for number, card in enumerate(CARDS)]
    merchants = [{"id": "m-1", "name": "小卖部", "api_key": "k"}]
    machines = [
        {
            "id": item.machine_id,
            "merchant_id": item.merchant_id,
            "alg": str(item.key.algorithm),
            "keyid": item.key.keyid,
            "private_key": base64.b64encode(item.key.secret).decode(),
        }
        for item in MACHINES
    ]
    demo = {
        "base_url": base_url,
        "operator_key": "o",
        "bins": bins,
        "residents": residents,
        "merchants": merchants,
        "machines": machines,
    }
    path.write_text(json.dumps(demo))
    return path
