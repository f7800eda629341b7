"""What shells of the engine have in common: the local one and the operator's.

A shell carries out what the engine asks for (see `varflow.engine.messages`). How an action reaches
its function is each shell's own matter; driving the engine and everything about variables is here.
"""
