"""Workers: processes that search the inputs of one audit, on this machine or on many."""
