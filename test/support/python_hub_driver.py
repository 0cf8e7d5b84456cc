# Runs Python's huggingface_hub (with hf_xet) on behalf of python-hub-client.ts: one JSON request per line on standard
# input, one JSON answer per line on standard output. File contents go through a folder, never through the pipe.

import json
import os
import sys

# The library and its progress bars may print; answers keep the real standard output to themselves.
answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)

from huggingface_hub import CommitOperationAdd, HfApi, HfFileSystem, hf_hub_download  # noqa: E402

api = HfApi()


def create_bucket(id):
    api.create_bucket(id)


def upload(id, files):
    api.batch_bucket_files(id, add=[(file["local"], file["path"]) for file in files])


def list_bucket(id):
    return [
        {"path": file.path, "sizeBytes": file.size, "xetHash": file.xet_hash}
        for file in api.list_bucket_tree(id, recursive=True)
        if file.type == "file"
    ]


def download(id, path, local):
    api.download_bucket_files(id, [(path, local)])


def download_range(id, path, start, end, local):
    with HfFileSystem().open(f"buckets/{id}/{path}", "rb") as source:
        source.seek(start)
        data = source.read(end - start)
    with open(local, "wb") as target:
        target.write(data)


def copy(id, source, target):
    found = list(api.get_bucket_paths_info(id, [source]))
    api.batch_bucket_files(id, copy=[("bucket", id, found[0].xet_hash, target)])


def remove(id, paths):
    api.batch_bucket_files(id, delete=paths)


def create_model(id, files):
    api.create_repo(id)
    operations = [CommitOperationAdd(file["path"], file["local"]) for file in files]
    api.create_commit(id, operations=operations, commit_message="Add files")


def download_from_model(id, revision, path):
    return hf_hub_download(id, path, revision=revision)


calls = {
    "createBucket": create_bucket,
    "upload": upload,
    "list": list_bucket,
    "download": download,
    "downloadRange": download_range,
    "copy": copy,
    "remove": remove,
    "createModel": create_model,
    "downloadFromModel": download_from_model,
}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = {"result": calls[request["call"]](**request["arguments"])}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    answers.write(json.dumps(answer) + "\n")
