#include "cli/flag_values.h"

namespace sallyport::cli {

Duration seconds(double value) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(value));
}

}  // namespace sallyport::cli
