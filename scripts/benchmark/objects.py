"""Volumes and claims by number, as `claimfs import` takes them: any of the claims fits any of the volumes."""


def volume(number):
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"pv-{number:06}", "uid": f"10000000-0000-4000-8000-{number:012}"},
        "spec": {
            "capacity": {"storage": f"{1 + number % 7}Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "manual",
            "hostPath": {"path": f"/srv/{number}"},
        },
    }


def claim(number):
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": f"claim-{number:06}",
            "namespace": "default",
            "uid": f"20000000-0000-4000-8000-{number:012}",
        },
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "manual",
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
