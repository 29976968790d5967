"""All that the author of a plug-in reads: the contracts, and the records that flow between them."""
