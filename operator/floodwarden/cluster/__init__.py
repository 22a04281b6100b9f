"""What Floodwarden asks of and tells the API server: thin adapters that decide nothing.

    client = await connect()       # cluster.client: where the cluster is and who we are; end with client.close()
    rest = Rest(client)            # cluster.rest: raw JSON, time limits, errors by name; the others take it
    ScaleClient(rest)              # cluster.scale: replicas of anything with a scale subresource
    OwnerIndex(rest, namespaces)   # cluster.owners: HPAs and ScaledObjects on the same targets
    Recorder(rest, pod_name)       # cluster.events: Events, in the background
    StatusWriter(rest)             # cluster.status: status of our resources
    SecretReader(rest)             # cluster.secrets: credentials by reference
    LeaseClient(rest, …)           # cluster.leases: who may act
    list_objects(rest, …)          # cluster.listing: which of our resources exist

Expected failures come back as values (``TargetProblem``, ``StatusResult``, ``SecretProblem``), never as exceptions.
"""
