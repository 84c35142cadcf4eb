// `sallyport tun`: a TUN device through hops.
#pragma once

namespace CLI {
class App;
}

namespace sallyport::cli {

struct ExitStatus;

void add_tun(CLI::App& app, ExitStatus& status);

}  // namespace sallyport::cli
