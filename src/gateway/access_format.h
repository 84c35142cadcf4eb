// The two formats of the access log. The fields are documented in docs/gateway.md. Text from peers is
// escaped, so a record is always one line.
#pragma once

#include "gateway/access_record.h"

#include <string>

namespace sallyport::gateway {

enum class AccessFormat : std::uint8_t { json, common };

/// RFC 3339, UTC, with milliseconds.
std::string timestamp(WallTime time);
/// Appends the record's line, without a line feed. Empty fields are omitted.
void append_json(const AccessRecord& record, std::string& out);
/// The Combined Log Format, as other people's tools read it.
void append_common(const AccessRecord& record, std::string& out);

}  // namespace sallyport::gateway
