// Points in time as qlogs spell them: RFC 3339 texts, against milliseconds since 1970 (UTC).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sallyport::inspect {

/// "2026-11-22T21:05:22.643Z" or with an offset such as "+02:00"; nullopt of anything else.
std::optional<double> parse_rfc3339(std::string_view text);
/// With milliseconds: "2026-11-22T21:05:22.643Z". `time` lies in the years 1970 to 9999.
std::string format_rfc3339(double time);

}  // namespace sallyport::inspect
