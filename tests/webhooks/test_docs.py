"""What docs/webhooks.md gives a merchant's engineer works."""

import re
import time
from pathlib import Path
from typing import Any

from service.webhooks.rules import RETRY_SECONDS, encode_secret, signature

PAGE = (Path(__file__).parent.parent.parent / "docs" / "webhooks.md").read_text()
SECRET = bytes(range(32))


def test_the_ten_lines_of_python_verify_what_we_sign_and_nothing_else() -> None:
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    page: dict[str, Any] = {}
    exec(code, page)  # noqa: S102  # it is ours
    now, body = int(time.time()), '{"type":"redemption.captured","data":{"title":"直饮水"}}'

    def verified(*, timestamp: int = now, signed: str = body, secret: bytes = SECRET) -> bool:
        headers = {
            "webhook-id": "0f5fbc8e",
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(secret, message_id="0f5fbc8e", timestamp=timestamp, payload=signed),
        }
        result: bool = page["verified"](encode_secret(SECRET), headers, body.encode())
        return result

    assert verified()
    assert not verified(timestamp=now - 301)
    assert not verified(signed=body.replace("captured", "refunded"))
    assert not verified(secret=SECRET[::-1])


def test_the_schedule_is_the_services() -> None:
    [told] = re.findall(r"tried again after ([^;]*), each up to", PAGE)
    unit = {"s": 1, "min": 60, "h": 3600}
    assert tuple(int(number) * unit[name] for number, name in re.findall(r"(\d+) (s|min|h)", told)) == RETRY_SECONDS
