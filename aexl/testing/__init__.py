"""For plugin authors' tests, and ours: factories, fakes that pass the conformance suites, and the suites.

Fakes stand in for the real thing behind the same interface; nothing here is a mock.
"""
