"""Running somebody else's code so that it can do only what a policy allows.

    probed = probing.probe(cache)                              # what this machine has; in a child, cached
    confinement = confining.confine(policy, command, folders=…, env=…, probed=probed)
    confinement.report.json()                                  # what is and is not enforced
    subprocess.Popen(confinement.argv, env=confinement.env, pass_fds=confinement.pass_fds)   # a cold process

    confinement = confining.confine(policy, folders=…, env=…, probed=probed)   # no command: for a forked worker
    if os.fork() == 0:
        entering.enter(confinement.order)                      # returns in the confined process only
        …                                                      # somebody else's code

``Module(name, args)`` as the command runs one of our own modules in the very process that was confined,
which saves the start of a second interpreter.

Everything here is standard library, runs without trio, and blocks: to be called in a thread or in a child.
Importing this package imports nothing.
"""
