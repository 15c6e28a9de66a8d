//! A model on a server answers as it does here.
#![cfg(feature = "remote")]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use bias_cli::device::name::{Compute, Device};
use bias_cli::device::place::{DeviceArgs, Place};
use bias_cli::device::server::Server;
use bias_cli::embedded::embedded;
use bias_model::{Answers, Decoding, HookedModel as _, LanguageModel};
use bias_probe::{NoObserver, Sequence, TokenBatch};
use burn::backend::remote::RemoteDevice;
use burn::backend::{Flex, RemoteBackend};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

/// A server of its own for each test, on any free port.
fn served() -> RemoteDevice {
    let server = Server::bind("127.0.0.1:0").unwrap();
    let name = Device::Remote(format!("ws://{}", server.address().unwrap()));
    std::thread::spawn(move || server.run::<Flex>(&Default::default()));
    match (DeviceArgs { name, compute: Compute::F32 }).place().unwrap() {
        Place::Remote(device) => device,
        other => unreachable!("{other:?}"),
    }
}

fn prompts<B: Backend>(model: &LanguageModel<B>) -> Vec<Sequence> {
    let ask = |name: &str| {
        model
            .text()
            .prompt(&format!("{name} asks our bank for a loan. How many thousand dollars?"), name)
            .unwrap()
    };
    vec![ask("Emily Becker"), ask("Keyshawn Washington")]
}

fn run<B: Backend>(device: &B::Device) -> (Vec<f32>, Vec<Answers>) {
    let model = LanguageModel::<B>::load(&embedded().unwrap(), device).unwrap();
    let prompts = prompts(&model);
    let batch = TokenBatch::new(&prompts).unwrap();
    let logits = model.model().logits(&batch, &mut NoObserver).unwrap().into_data();
    (logits.to_vec().unwrap(), model.answers(&prompts, Decoding::exact()).unwrap())
}

/// Not to the last bit: burn's remote backend spells softmax and activations out in simpler operations, where flex
/// has one of its own, so sums round otherwise. Logits of up to 20 were seen to differ by 2e-6.
#[test]
fn a_model_on_a_server_is_the_same() {
    let ((logits, answers), (here, answers_here)) =
        (run::<RemoteBackend>(&served()), run::<Flex>(&Default::default()));
    let worst = logits.iter().zip(&here).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= 2e-5, "off by {worst}");
    for (there, here) in answers.iter().zip(&answers_here) {
        let weights = |own: &Answers| -> BTreeMap<Vec<u32>, f64> {
            own.answers.iter().map(|answer| (answer.tokens.clone(), answer.weight)).collect()
        };
        let (there, here) = (weights(there), weights(here));
        assert!(here.len() > 10 && there.keys().eq(here.keys()));
        assert!(here.iter().all(|(tokens, weight)| (there[tokens] - weight).abs() < 1e-5));
    }
}

/// burn's clients all count tensors from 0: each must find its own.
#[test]
fn clients_do_not_share_tensors() {
    let server = Server::bind("127.0.0.1:0").unwrap();
    let port = server.address().unwrap().port();
    std::thread::spawn(move || server.run::<Flex>(&Default::default()));
    let tensor = |host: &str, value: f32| {
        let device = RemoteDevice::new(&format!("ws://{host}:{port}"));
        Tensor::<RemoteBackend, 1>::from_data([value, value], &device)
    };
    let (a, b) = (tensor("127.0.0.1", 1.0), tensor("localhost", 2.0));
    assert_eq!(a.add_scalar(0.5).into_data().to_vec::<f32>().unwrap(), [1.5, 1.5]);
    assert_eq!(b.add_scalar(0.5).into_data().to_vec::<f32>().unwrap(), [2.5, 2.5]);
}

/// A tensor made by one thread can be used by another at once, however large.
#[test]
fn what_threads_send_stays_in_order() {
    let device = served();
    for round in 0..20 {
        let value = round as f32;
        let made = std::thread::scope(|scope| {
            let make = || {
                Tensor::<RemoteBackend, 1>::from_data(
                    TensorData::new(vec![value; 1 << 18], [1 << 18]),
                    &device,
                )
            };
            scope.spawn(make).join().unwrap()
        });
        assert_eq!(made.narrow(0, 7, 1).into_data().to_vec::<f32>().unwrap(), [value]);
    }
}
