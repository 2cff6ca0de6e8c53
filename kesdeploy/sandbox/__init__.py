"""Stand-ins for KES and MinIO, for tests and for machines that cannot have the real images. Never for production.

They speak the real servers' protocols, read the same flags and files, and fail with the same words, so that everything
else in kesdeploy is exercised as it would be with the real ones. They do not try to be fast, complete or hardened, they
share no code with the real servers, and they say at every turn what they are (`notice`).

`kes/`    mTLS, identities, policies, the key API, keystores on disk and in Vault
`minio/`  an S3 subset with SSE-S3 and SSE-KMS through KES
`image`   both as one container image, made from the Python that runs kesdeploy
"""
