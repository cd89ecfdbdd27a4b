"""What a request asks for, and whether its agent may ask for it: pure functions, one subject a module.

Each reader looks at the keys of *every* dialect, not of one: a limit cannot be
dodged by spelling a thing as another endpoint does. A value is only decoded
where a limit of the agent needs it, because what was decoded is encoded anew.
"""
