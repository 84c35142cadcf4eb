// Validators: which version of a resource a response is of, as far as its parts may be joined by it (RFC 9110
// §13.1.5, §14.2).
#pragma once

#include "http/message.h"

#include <string>

namespace sallyport::client {

/// What If-Range may carry for the version that `head` is of: a strong ETag, or, where there is no ETag at
/// all, a Last-Modified that is strong (§8.8.2.2). Empty where there is neither: then nothing tells two
/// versions of the same size apart.
std::string range_validator(const http::Response& head);

/// Whether the 206 `head`, the answer to a request with `sent` as its If-Range, contradicts it. Fields that a
/// 206 leaves out, as it may (§15.3.7), do not.
bool contradicts(const http::Response& head, const std::string& sent);

}  // namespace sallyport::client
