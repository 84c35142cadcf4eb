// `sallyport get`: downloads over HTTP/3, /2 or /1.1, direct or through hops.
#pragma once

namespace CLI {
class App;
}

namespace sallyport::cli {

struct ExitStatus;
void add_get(CLI::App& app, ExitStatus& status);

}  // namespace sallyport::cli
