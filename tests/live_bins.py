"""Bins of a live service, registered and claimed over HTTP: a new one wherever a call would change it."""

import base64
import os
import time
import uuid
from typing import Any

import requests
from requests.auth import AuthBase

from schemas.bin_keys import CLAIM_KEYID
from schemas.signatures import Algorithm, SigningKey, sign_request

SITE, OTHER_SITE = "site-1", "site-2"
WHY = {"reason": "test"}


class Signature(AuthBase):
    """Signs what is about to be sent, as a bin or a machine does."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body or b""
        assert isinstance(body, str | bytes)
        signed = sign_request(
            self._key,
            method=request.method or "",
            target=request.path_url,
            body=body.encode() if isinstance(body, str) else body,
            created=int(time.time()),
        )
        request.headers.update(signed)
        return request


class LiveBins:
    """`bin_id` and `key` are of the bin that was made last: what the next call is about, and who makes it."""

    def __init__(self, base_url: str, operator: AuthBase) -> None:
        self._base_url = base_url
        self._operator = operator
        self.bin_id = ""
        self.key = SigningKey(CLAIM_KEYID, Algorithm.ED25519, os.urandom(32))

    def credential(self) -> AuthBase:
        return Signature(self.key)

    def made_for(self, path: str) -> dict[str, str]:
        """A new bin that is as this call needs it; what stands for it in the path."""
        if "{bin_id}" in path:
            needs_key = path.endswith(("/suspend", "/resume", "/end-key"))
            return {"bin_id": self.active() if needs_key else self.registered()}
        if "{keyid}" in path:
            return {"keyid": self.with_two_keys()}
        if path == "/v1/bins/me/keys":
            self.active()
        elif path == "/v1/bins/me/keys/confirm":
            self.with_secret_to_confirm()
        return {}

    def named_in(self, body: dict[str, Any]) -> dict[str, str]:
        """What a good body says of the bin that was made."""
        if "claim_code" in body:
            return self.claimable()
        if "keyid" in body:
            return {"keyid": self.bin_id}
        return {"id": f"b-{uuid.uuid4()}", "site_id": OTHER_SITE}

    def registered(self) -> str:
        self.bin_id = f"b-{uuid.uuid4()}"
        self._post("/v1/bins", {"id": self.bin_id, "site_id": SITE}, self._operator)
        return self.bin_id

    def claimable(self) -> dict[str, str]:
        """A code of a new bin, and the public key of a new pair."""
        self.key = SigningKey(CLAIM_KEYID, Algorithm.ED25519, os.urandom(32))
        code = self._post(f"/v1/bins/{self.registered()}/claim-code", WHY, self._operator)["claim_code"]
        return {"claim_code": code, "public_key": base64.b64encode(self.key.public_bytes).decode()}

    def active(self) -> str:
        claim = {"algorithm": "hmac-sha256", "claim_code": self.claimable()["claim_code"]}
        self.key = self._secret(self._post("/v1/bins/claim", claim, None))
        return self.bin_id

    def with_secret_to_confirm(self) -> str:
        self.active()
        issued = self._post("/v1/bins/me/keys", {"algorithm": "hmac-sha256"}, self.credential())
        self.key = self._secret(issued)
        return self.bin_id

    def with_two_keys(self) -> str:
        """The older one has the bin's id."""
        self.with_secret_to_confirm()
        self._post("/v1/bins/me/keys/confirm", {}, self.credential())
        return self.bin_id

    def _secret(self, answer: dict[str, Any]) -> SigningKey:
        return SigningKey(answer["keyid"], Algorithm.HMAC_SHA256, base64.b64decode(answer["secret"]))

    def _post(self, path: str, document: Any, auth: AuthBase | None) -> Any:
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        response = requests.post(self._base_url + path, json=document, auth=auth, headers=headers, timeout=60)
        response.raise_for_status()
        return response.json()
