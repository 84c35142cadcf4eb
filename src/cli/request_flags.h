// The flags of `get` that say how to ask and what of the answer is shown: -i, -I, -v, -H, -X, -d, -T, --fail,
// --max-time, --retry, --limit-rate, named and meant as curl's are.
#pragma once

#include "client/get.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace sallyport::cli {

struct RequestFlags {
  bool include = false, head = false, verbose = false;
  std::vector<std::string> headers, data, binary_data;
  std::string method, upload;
  bool fail = true, fail_with_body = false;
  double max_time = 0;
  unsigned retries = 0;
  std::optional<double> retry_wait;
  std::string rate_limit;
};

void add_request_flags(CLI::App& app, RequestFlags& flags);

/// The value of `flag`: `@FILE` is what stands in FILE, as it is, and "@-" what comes on standard input.
Result<std::string> text_or_file(std::string_view flag, const std::string& value);

/// Each value of -H, a field or `@FILE` with one a line. Errors name the flag.
Result<> add_headers(const std::vector<std::string>& values, client::RequestPlan& plan);

/// Sets what the flags say in `options`, whose jobs, streams, resume and repeat are set already; takes the
/// name of an uploaded file into URLs that end in '/'. Errors name the flag.
Result<> apply_request_flags(const RequestFlags& flags, client::GetOptions& options);

/// "500", "200k", "1.5M", "2G": bytes, with units of 1024 as curl's; nullopt for anything else and for 0.
std::optional<std::uint64_t> parse_size(std::string_view text);

}  // namespace sallyport::cli
