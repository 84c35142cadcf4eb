// `sallyport bench`: a load generator for HTTP/3, /2 and /1.1.
#pragma once

namespace CLI {
class App;
}

namespace sallyport::cli {

struct ExitStatus;
void add_bench(CLI::App& app, ExitStatus& status);

}  // namespace sallyport::cli
