// Retry: which failures of a download may pass, and how long to wait before the next try (`get --retry`).
#pragma once

#include "base/time.h"
#include "client/fetch.h"

#include <cstdint>
#include <optional>

namespace sallyport::client {

/// Whether another try may do better: the connection failed, or the server said to come back (408, 429, 500,
/// 502, 503, 504). What is not safe to repeat is repeated only where the server did not process it.
bool is_transient(const Error& error, const RequestPlan& request);

/// What a response's Retry-After asks for (RFC 9110 §10.2.3), at most ten minutes; nullopt where it asks for
/// nothing. `unix_now`: seconds.
std::optional<Duration> retry_after(const http::Fields& fields, std::int64_t unix_now);

/// Before the try after the `failed`th: 1 s, doubled each time, ten minutes at most.
Duration backoff(unsigned failed);

}  // namespace sallyport::client
