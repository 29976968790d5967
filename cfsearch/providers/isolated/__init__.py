"""A model in a process of its own: what it does there, it does to nobody else.

``process`` starts, hears and ends the process; ``boot`` and ``worker`` run in it; ``provider`` is how
the rest of cfsearch asks. Requests and answers are JSON, tensors lie in shared memory.
"""
