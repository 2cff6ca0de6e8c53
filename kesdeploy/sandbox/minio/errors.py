"""What MinIO says when it will not."""

from __future__ import annotations

from dataclasses import dataclass


class Fatal(Exception):
    """Ends the server with `FATAL <text>` and exit code 1."""


class S3Error(Exception):
    """An answer other than what was asked for. `cause` is for the log, and for who may administer."""

    def __init__(self, status: int, code: str, message: str, cause: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.cause = cause

    def __str__(self) -> str:
        return f"{self.message}: {self.cause}" if self.cause else self.message


class KmsError(S3Error):
    """What KES refused or failed, as MinIO words it to clients and in its log."""


@dataclass(frozen=True)
class Refusal:
    """An error that is known beforehand.

    Each raise makes a new one: an exception that is raised again keeps every traceback that it ever had, for ever.
    """

    status: int
    code: str
    message: str
    kind: type[S3Error] = S3Error

    def error(self) -> S3Error:
        return self.kind(self.status, self.code, self.message)


DENIED = Refusal(403, "AccessDenied", "Access Denied.")
NO_BUCKET = Refusal(404, "NoSuchBucket", "The specified bucket does not exist")
NO_KEY = Refusal(404, "NoSuchKey", "The specified key does not exist.")
NO_UPLOAD = Refusal(
    404,
    "NoSuchUpload",
    "The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have been "
    "aborted or completed.",
)
BAD_BUCKET = Refusal(400, "InvalidBucketName", "The specified bucket is not valid.")
BAD_OBJECT = Refusal(400, "XMinioInvalidObjectName", "Object name contains unsupported characters.")
BAD_RANGE = Refusal(416, "InvalidRange", "The requested range is not satisfiable")
BAD_DIGEST = Refusal(400, "BadDigest", "The Content-Md5 you specified did not match what we received.")
BAD_SHA256 = Refusal(
    400,
    "XAmzContentSHA256Mismatch",
    "The provided 'x-amz-content-sha256' header does not match what was computed.",
)
BAD_XML = Refusal(
    400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema."
)
BAD_PART = Refusal(
    400,
    "InvalidPart",
    "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified "
    "entity tag may not match the part's entity tag.",
)
BAD_ORDER = Refusal(
    400,
    "InvalidPartOrder",
    "The list of parts was not in ascending order. The parts list must be specified in order by part number.",
)
INCOMPLETE = Refusal(
    400, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header."
)
TOO_SMALL = Refusal(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed object size.")
PRECONDITION = Refusal(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
NOT_MODIFIED = Refusal(304, "NotModified", "")
NO_RULE = Refusal(
    404, "ServerSideEncryptionConfigurationNotFoundError", "The server side encryption configuration was not found"
)
NO_KMS = Refusal(501, "NotImplemented", "Server side encryption specified but KMS is not configured")
NOT_HERE = Refusal(
    501, "NotImplemented", "A header you provided implies functionality that is not implemented (kesdeploy's stand-in)"
)
BAD_METHOD = Refusal(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
