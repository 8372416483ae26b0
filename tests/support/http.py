"""Plain HTTP, as somebody would write it who knows nothing of our code."""

import urllib.error
import urllib.request

XML = "application/xml; charset=UTF-8"
JSON = "application/json; charset=UTF-8"


def post(url: str, body: bytes, content_type: str) -> tuple[int, str, bytes]:
    request = urllib.request.Request(url, data=body, headers={"Content-Type": content_type}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.headers["Content-Type"], response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read()
