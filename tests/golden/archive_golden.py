"""tar.gz and zip, both ways.

make OUT        write OUT/python* with tarfile and zipfile (committed in tests/golden/data)
check DIR       open with them what write_archive wrote into DIR; compare its listings of Python's
"""
import io
import pathlib
import sys
import tarfile
import zipfile

DATA = pathlib.Path(__file__).parent / "data"
LONG = "folder/" * 20 + "file.txt"  # too long for the plain tar header


def expect(what, condition):
    if not condition:
        sys.exit(f"archive: {what}")


def content(n):
    return bytes((i * 31 + i // 251) % 253 for i in range(n))


def theirs():
    return {"a.txt": b"alpha\n", "dir/b.bin": content(20000), "dir/empty": b"", "dir/\u00e9t\u00e9.txt": b"summer", LONG: b"x" * 600}


def mine():
    return {"model.json": b'{"version":1}\n', "empty": b"", "serve/1/weights.bin": content(300000)}


def make(out):
    for name, mode, style in ("python-gnu.tar.gz", "w:gz", tarfile.GNU_FORMAT), ("python-pax.tar", "w", tarfile.PAX_FORMAT):
        with tarfile.open(out / name, mode, format=style) as tar:
            folder = tarfile.TarInfo("dir")
            folder.type = tarfile.DIRTYPE
            tar.addfile(folder)
            for path, data in theirs().items():
                info = tarfile.TarInfo(path)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    with zipfile.ZipFile(out / "python.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("dir/"), b"")
        for path, data in theirs().items():
            info = zipfile.ZipInfo(path)
            info.compress_type = zipfile.ZIP_STORED if path == "a.txt" else zipfile.ZIP_DEFLATED
            archive.writestr(info, data)


def check(folder):
    for name in "marquee.tar.gz", "marquee.tar":
        with tarfile.open(folder / name) as tar:
            expect(f"{name}: times, owners", all(m.mtime == 0 and m.uid == 0 and m.uname == "" for m in tar))
            got = {m.name: tar.extractfile(m).read() for m in tar}
        expect(name, got == mine())
    with zipfile.ZipFile(folder / "marquee.zip") as archive:
        expect("zip: damaged", archive.testzip() is None)
        expect("zip: times", all(i.date_time == (1980, 1, 1, 0, 0, 0) for i in archive.infolist()))
        got = {i: archive.read(i) for i in archive.namelist()}
    expect("marquee.zip", got == mine())
    want = "".join(f"{path} {len(data)} {sum(data)}\n" for path, data in theirs().items())
    for name in "python-gnu.tar.gz", "python-pax.tar", "python.zip":
        text = (folder / f"{name}.txt").read_text(encoding="utf-8")
        expect(f"listing of {name}", text == want)
        expect("a planted error went unseen", text.replace("600", "601") != want)


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))
