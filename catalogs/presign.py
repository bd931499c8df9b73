"""Addresses of files in a bucket, signed with the user's keys for a short time.

AWS Signature Version 4 in the query of an address (Amazon S3 API Reference, "Authenticating Requests: Using Query
Parameters"), which any service that speaks S3 understands.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from datetime import datetime

    from catalogs.object_store import Keys, ObjectStore

LIFE_S: Final = 900
"""Seconds that a signature holds: one is made for every request, so that it only has to outlive a slow clock."""

ALGORITHM: Final = "AWS4-HMAC-SHA256"
UNRESERVED: Final = "-_.~"
"""Characters beside letters and digits that the signature wants as they are."""


def presign(store: ObjectStore, key: str, keys: Keys, *, now: datetime, life_s: int = LIFE_S) -> str:
    """Returns the https address that a file can be read from for a while.

    Args:
        store: Where the bucket is.
        key: Path of the file within the bucket, not quoted.
        keys: Of the reader.
        now: When the signature is made, UTC.
        life_s: Seconds that it holds.
    """
    root = urlsplit(store.endpoint)
    path = f"/{store.bucket}/{key}" if store.bucket else f"/{key}"
    moment, scope = f"{now:%Y%m%dT%H%M%SZ}", f"{now:%Y%m%d}/{store.region}/s3/aws4_request"
    query = {
        "X-Amz-Algorithm": ALGORITHM,
        "X-Amz-Credential": f"{keys.key_id}/{scope}",
        "X-Amz-Date": moment,
        "X-Amz-Expires": str(life_s),
        "X-Amz-SignedHeaders": "host",
    }
    if keys.session:
        query["X-Amz-Security-Token"] = keys.session
    if store.requester_pays:
        query["x-amz-request-payer"] = "requester"
    asked = "&".join(f"{quote(name, safe=UNRESERVED)}={quote(query[name], safe=UNRESERVED)}" for name in sorted(query))
    place = quote(path, safe="/" + UNRESERVED)
    request = f"GET\n{place}\n{asked}\nhost:{root.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
    told = f"{ALGORITHM}\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    sealed = f"AWS4{keys.secret}".encode()
    for part in scope.split("/"):
        sealed = hmac.digest(sealed, part.encode(), "sha256")
    signature = hmac.digest(sealed, told.encode(), "sha256").hex()
    return f"{root.scheme}://{root.netloc}{place}?{asked}&X-Amz-Signature={signature}"
