#include "cli/run.h"

int main(int argc, char** argv) {
  return sallyport::cli::run(argc, argv);
}
