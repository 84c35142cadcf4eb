// `sallyport cert`: test certificates, and the fingerprint and flags by which Chromium trusts them.
#pragma once

namespace CLI {
class App;
}

namespace sallyport::cli {

struct ExitStatus;
void add_cert(CLI::App& app, ExitStatus& status);

}  // namespace sallyport::cli
