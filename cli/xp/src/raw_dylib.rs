//! Declarations of Windows functions. The linker makes the import table (raw-dylib), so no import
//! library is needed.

macro_rules! imports {
    ($dll:literal: $($functions:tt)*) => {
        #[cfg_attr(
            target_arch = "x86",
            link(
                name = $dll,
                kind = "raw-dylib",
                modifiers = "+verbatim",
                import_name_type = "undecorated"
            )
        )]
        #[cfg_attr(
            not(target_arch = "x86"),
            link(name = $dll, kind = "raw-dylib", modifiers = "+verbatim")
        )]
        unsafe extern "system" {
            $($functions)*
        }
    };
}
