//! Mounts the dashboard.

fn main() {
    console_error_panic_hook::set_once();
    stepcast_web::dashboard::mount();
}
