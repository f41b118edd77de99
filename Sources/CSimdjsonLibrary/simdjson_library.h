// simdjson is C++: only the sources of CSimdjson include its header. This one carries the link line.
