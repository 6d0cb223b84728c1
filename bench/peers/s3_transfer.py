"""S3: a large object up and down, and many small ones up, by AWS's own tools.

    s3_transfer.py ENDPOINT FOLDER --what cli|crt|small [--mib 1024] [--small 1000]

cli: `aws s3 cp` with 16 requests at once and parts of 16 MB, the best of those tried; crt: the
transfer client on AWS's C runtime, which the CLI's version 2 has as `preferred_transfer_client = crt`; small: boto3's put_object of
4 KiB from 16 threads, one client, connections for all.
"""
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import time

from peerlib import emit, options

BUCKET = "bench"


def add(parser):
    parser.add_argument("endpoint")
    parser.add_argument("folder")
    parser.add_argument("--what", choices=["cli", "crt", "small"], required=True)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--small", type=int, default=1000)


def make_file(path, size):
    if not path.exists() or path.stat().st_size != size:
        with path.open("wb") as out:
            for _ in range(size >> 20):
                out.write(os.urandom(1 << 20))


def timed(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def large(up, down, chosen, peer, version):
    source = pathlib.Path(chosen.folder) / "large-peer"
    target = pathlib.Path(chosen.folder) / "large-peer-back"
    make_file(source, chosen.mib << 20)
    os.sync()  # what was written before must not be paid for here
    emit(peer, version, "object put", 1, [timed(lambda: up(source))], chosen.mib, "MiB")
    emit(peer, version, "object get", 1, [timed(lambda: down(target))], chosen.mib, "MiB")
    target.unlink()


def run_cli(chosen):
    import awscli

    environment = dict(os.environ)

    def copy(first, second):
        words = ["-m", "awscli", "--endpoint-url", chosen.endpoint, "s3", "cp", "--quiet"]
        subprocess.run([sys.executable, *words, first, second], env=environment, check=True)

    url = f"s3://{BUCKET}/large-peer"
    large(
        lambda path: copy(str(path), url),
        lambda path: copy(url, str(path)),
        chosen,
        "awscli",
        awscli.__version__,
    )


def run_crt(chosen):
    import awscrt
    import botocore.session
    from s3transfer import crt

    session = botocore.session.Session()
    provider = crt.BotocoreCRTCredentialsWrapper(session.get_credentials())
    client = crt.create_s3_crt_client(
        "us-east-1", provider.to_crt_credentials_provider(), use_ssl=False
    )
    serializer = crt.BotocoreCRTRequestSerializer(
        session, {"region_name": "us-east-1", "endpoint_url": chosen.endpoint}
    )
    manager = crt.CRTTransferManager(client, serializer)
    large(
        lambda path: manager.upload(str(path), BUCKET, "large-peer").result(),
        lambda path: manager.download(BUCKET, "large-peer", str(path)).result(),
        chosen,
        "awscrt",
        awscrt.__version__,
    )


def run_small(chosen):
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "s3", endpoint_url=chosen.endpoint, config=Config(max_pool_connections=16)
    )
    body = b"x" * 4096
    seconds = []
    with concurrent.futures.ThreadPoolExecutor(16) as pool:

        def put_all(round_number):
            keys = (f"small-peer/{round_number}/{i}" for i in range(chosen.small))
            list(pool.map(lambda key: client.put_object(Bucket=BUCKET, Key=key, Body=body), keys))

        for round_number in range(3):
            seconds.append(timed(lambda number=round_number: put_all(number)))
    emit("boto3", boto3.__version__, "small puts", 16, seconds, chosen.small, "puts")


if __name__ == "__main__":
    arguments = options(add)
    settings = pathlib.Path(arguments.folder) / "aws-config"
    settings.write_text(
        "[default]\ns3 =\n  max_concurrent_requests = 16\n  multipart_chunksize = 16MB\n"
        "  addressing_style = path\n"
    )
    os.environ["AWS_CONFIG_FILE"] = str(settings)
    {"cli": run_cli, "crt": run_crt, "small": run_small}[arguments.what](arguments)
