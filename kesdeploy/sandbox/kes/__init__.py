"""The stand-in for KES: one module a subject, from the configuration file to the answers.

`flags` and `config` read what the user wrote, `keystore` and `vault` keep keys, `identity` says who asks, `api`
answers, `server` ties them together and reloads on SIGHUP. Error texts are the real server's, because users will search
for them.
"""
