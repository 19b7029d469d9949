//! Prints the TypeScript declarations of the npm package.

#![expect(clippy::print_stdout, reason = "it is there to print")]

fn main() {
    print!("{}", stepcast_web::js::types::declarations());
}
