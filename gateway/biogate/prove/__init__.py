"""`biogate security prove` and `documents`: what an assessor is shown, and what proves it.

Nothing in here asks the policy. `reading` takes what the site file says in its simplest sense,
`client` asks the running gateway over sockets, and the two are compared.
"""
