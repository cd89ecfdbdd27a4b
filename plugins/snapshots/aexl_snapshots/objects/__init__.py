"""What a store keeps: ids, manifests, snapshots and packs. Pure but for packs, which read and write files."""
