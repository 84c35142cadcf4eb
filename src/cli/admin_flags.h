// --admin and --admin-token-file, of every command that has admin pages.
#pragma once

#include "admin/service.h"
#include "base/result.h"

#include <string>

namespace CLI {
class App;
}

namespace sallyport::cli {

/// Their texts go to `admin` and `token_file`, which must outlive the parsing.
void add_admin_flags(CLI::App& app, std::string& admin, std::string& token_file);

/// What --admin was given: HOST:PORT, [IPV6]:PORT, :PORT or unix:PATH; empty: no pages. Without the token
/// file.
Result<admin::ServiceOptions> read_admin(const std::string& text);

}  // namespace sallyport::cli
