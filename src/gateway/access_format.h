// The two formats of the access log. What each field says is in docs/gateway.md. All that a peer sent is
// escaped, so a record is one line whatever it holds.
#pragma once

#include "gateway/access_record.h"

#include <string>

namespace sallyport::gateway {

enum class AccessFormat : std::uint8_t { json, common };

/// Appends the record's line, without a line feed. Fields that say nothing are left out.
void append_json(const AccessRecord& record, std::string& out);
/// The Combined Log Format, as other people's tools read it.
void append_common(const AccessRecord& record, std::string& out);

}  // namespace sallyport::gateway
