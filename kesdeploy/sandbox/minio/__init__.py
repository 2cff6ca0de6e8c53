"""The stand-in for MinIO: one module a subject, from the environment file to objects on disk.

`envfile`, `settings` and `kms_settings` read what the user wrote; `kms` asks KES; `drive`, `objects` and `multipart`
keep bytes, `sealing` encrypts them; `sigv4` says who asks; `api`, `bucket_api`, `object_api`, `upload_api` and
`admin_api` answer; `server` is the life of the process. It starts, and fails to start, as the real one does.
"""
