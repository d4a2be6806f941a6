//! How functions of Windows are declared. No import library is needed: the linker makes the import
//! table (raw-dylib).

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
