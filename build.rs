//! Generates the client of HBase's Thrift2 service from `idl/`.

const IDL: &str = "idl/hbase_thrift2.thrift";

fn main() {
    println!("cargo:rerun-if-changed={IDL}");
    println!("cargo:rerun-if-changed=build.rs");
    volo_build::Builder::thrift()
        .ignore_unused(false)
        .add_service(IDL)
        .filename("hbase_thrift2.rs".into())
        .write()
        .expect("the IDL is part of the source");
}
