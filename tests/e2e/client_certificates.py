"""Authorities and the certificates that they issue to clients, by openssl, for tests."""

import harness

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    """.cert is the file of its certificate."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.cert, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        harness.run("openssl", "req", "-x509", *KEY, "-days", "2", "-subj", f"/CN={name}", "-addext", "keyUsage=keyCertSign",
                    "-out", self.cert, "-keyout", self.key)

    def issue(self, name, purpose="clientAuth"):
        """The files of a certificate and its key."""
        cert, key, request, extensions = (self.folder / f"{self.name}-{name}-{purpose}.{kind}" for kind in ("pem", "key", "csr", "ext"))
        extensions.write_text(f"basicConstraints=critical,CA:FALSE\nextendedKeyUsage={purpose}\nsubjectAltName=IP:127.0.0.1,DNS:localhost\n")
        harness.run("openssl", "req", *KEY, "-subj", f"/O=Sallyport/CN={name}", "-out", request, "-keyout", key)
        harness.run("openssl", "x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", "-days", "1",
                    "-extfile", extensions, "-out", cert)
        return cert, key
