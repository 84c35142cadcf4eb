// Whether this build has sanitizers, for tests of what their own checks or their cost spoil.
#pragma once

namespace sallyport {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool sanitized = true;
#elif defined(__has_feature)
constexpr bool sanitized = __has_feature(address_sanitizer) || __has_feature(undefined_behavior_sanitizer);
#else
constexpr bool sanitized = false;
#endif

}  // namespace sallyport
