// `sallyport gateway`: the server: a MASQUE proxy, a file server, or both, over HTTP/3, /2 and /1.1.
#pragma once

namespace CLI {
class App;
}

namespace sallyport::cli {

struct ExitStatus;
void add_gateway(CLI::App& app, ExitStatus& status);

}  // namespace sallyport::cli
