// `sallyport trace`: figures from recorded connections.
#pragma once

namespace CLI {
class App;
}

namespace sallyport::cli {

struct ExitStatus;
void add_trace(CLI::App& app, ExitStatus& status);

}  // namespace sallyport::cli
