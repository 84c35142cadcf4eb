// What must hold of every exchange whatever its peer sends, as the fuzz targets of servers and clients check
// it.
#pragma once

#include "http/message.h"
#include "http/validation.h"

#include <cstdlib>

namespace sallyport::http::fuzz {

inline void require(bool condition) {
  if (!condition) std::abort();
}

/// Fields that reach a handler are clean.
inline void check(const Fields& fields) {
  for (const Fields::Field field : fields)
    require(is_field_name(field.name) && is_field_value(field.value) && !is_connection_specific(field.name));
}

}  // namespace sallyport::http::fuzz
