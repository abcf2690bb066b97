!> libmcplugin for Fortran: thermal electrons for Monte-Carlo Comptonisation, and photons that they
!> scatter.
!>
!> Electrons are drawn from the Maxwell-Juettner distribution f(u) ~ u**2 exp(-gamma/theta) of the
!> dimensionless four-velocity u = gamma*beta, gamma**2 = 1 + u**2, at the temperature
!> theta = kT/(m_e c**2). All numbers are dimensionless real(real64). beta = u/gamma and gamma
!> follow from u without loss of digits; the reverse does not hold when gamma >> 1. Photons have
!> energies x = h nu/(m_e c**2).
!>
!>     use, intrinsic :: iso_fortran_env, only: int64, real64
!>     use mcplugin
!>     type(electron_sampler) :: electrons
!>     type(random_stream) :: stream
!>     real(real64) :: u(4096)
!>
!>     call electrons%create('gan')
!>     call seed_stream(stream, seed=1_int64, number=0_int64)
!>     call electrons%sample(stream, 0.2_real64, u)
!>     call electrons%destroy()
!>
!> A sampler of whole Compton events scatters photons instead:
!>
!>     real(real64) :: x(4096), x_out(4096), cosine(4096)
!>
!>     call electrons%create('gan-event')
!>     call electrons%scatter(stream, x, 0.2_real64, x_out, cosine)
!>
!> Errors: the last argument of every procedure that can fail is an optional integer ierr. It
!> becomes mcp_ok (0) or one of the constants mcp_error_*, and mcplugin_error_text() then says what
!> was wrong. Without ierr an error ends the program: the text on standard error, then error stop.
!> A call that fails leaves its arrays as they were.
!>
!> Arrays may be of any shape that fits, slices included: dummies are contiguous, so for a slice
!> with gaps the compiler passes a temporary copy. In a hot loop give whole arrays or whole columns.
!>
!> Threads: a sampler never changes between create and destroy and may be used by all threads at
!> once; a random_stream belongs to one thread at a time. Compile this file with the same OpenMP
!> option as the program.
!>
!> Fortran 2008; nothing here depends on the default kinds of real and integer.
module mcplugin
    use, intrinsic :: iso_c_binding, only: c_associated, c_char, c_double, c_f_pointer, c_int, &
        c_int64_t, c_null_char, c_null_ptr, c_ptr, c_size_t
    use, intrinsic :: iso_fortran_env, only: error_unit, int64, real64
    implicit none
    private

    public :: electron_sampler, random_stream, seed_stream
    public :: mcplugin_error_text, mcplugin_status_text
    public :: mcplugin_version, mcplugin_abi_version

    !> What ierr can be: the same names as in mcplugin.h.
    integer, parameter, public :: mcp_ok = 0
    integer, parameter, public :: mcp_error_argument = 1     !< sizes that differ, NaN, overlap
    integer, parameter, public :: mcp_error_theta = 2        !< temperature out of the range
    integer, parameter, public :: mcp_error_spec = 3         !< no sampler is called like this
    integer, parameter, public :: mcp_error_file = 4         !< file of weights cannot be read
    integer, parameter, public :: mcp_error_weights = 5      !< file of weights is damaged
    integer, parameter, public :: mcp_error_memory = 6       !< out of memory
    integer, parameter, public :: mcp_error_handle = 7       !< sampler never created, or destroyed
    integer, parameter, public :: mcp_error_rng = 8          !< random_stream never seeded
    integer, parameter, public :: mcp_error_unsupported = 9  !< this sampler has no such thing
    integer, parameter, public :: mcp_error_torch = 10       !< Python or torch failed
    integer, parameter, public :: mcp_error_photon = 11      !< photon energy out of the range

    !> Random numbers of one thread: the same 128 bytes as mcp_rng in C. Copying it copies the
    !> sequence of numbers.
    type, bind(c) :: random_stream
        integer(c_int64_t) :: state(16) = 0
    end type random_stream

    !> One sampler, of electrons or of the photons that they scatter.
    !>
    !> A variable refers to what create made: after b = a both are the same sampler, which is to be
    !> destroyed once, through either of them, and used by neither afterwards. (There is no final
    !> procedure, since it would destroy the sampler under the other variable.)
    type :: electron_sampler
        private
        type(c_ptr) :: handle = c_null_ptr
    contains
        procedure :: create => create_sampler
        procedure :: destroy => destroy_sampler
        procedure :: theta_range => sampler_theta_range
        procedure :: photon_range => sampler_photon_range
        procedure :: acceptance => sampler_acceptance
        procedure :: instruction_set => sampler_instruction_set
        procedure, private :: sample_isothermal, sample_each
        procedure, private :: sample_vector_isothermal, sample_vector_each
        procedure, private :: transform_isothermal, transform_each
        procedure, private :: scatter_isothermal, scatter_each
        !> call electrons%sample(stream, theta, u [, ierr]): draw size(u) four-velocities.
        !>
        !> stream  random_stream, seeded
        !> theta   temperature: a scalar, or an array with one value per draw; within theta_range
        !> u       u(n): magnitudes, u >= 0; or u(3, n): isotropic vectors
        !>
        !> Draws come in blocks of 16: one draw costs as much as sixteen, so ask for hundreds or
        !> thousands at a time. The sequence depends on the sizes of the calls.
        generic :: sample => sample_isothermal, sample_each, &
            sample_vector_isothermal, sample_vector_each
        !> call electrons%transform(theta, z, u [, ierr]): electrons from your own random numbers.
        !>
        !> theta   as for sample
        !> z       z(3, n): three independent standard normals per electron
        !> u       u(3, n): four-velocity vectors, parallel to those of z
        !>
        !> Not for 'rejection' and 'gan-exact', which need an unknown number of random numbers.
        generic :: transform => transform_isothermal, transform_each
        !> call electrons%scatter(stream, x, theta, x_out, cosine [, ierr]): scatter each of size(x)
        !> photons once, by 'gan-event' or 'exact-event'.
        !>
        !> stream  random_stream, seeded
        !> x       x(n): energies before, 0 < x <= 1e4 (no subnormal numbers)
        !> theta   temperature of the electrons: a scalar, or an array with one value per photon
        !> x_out   x_out(n): energies afterwards; another array than x
        !> cosine  cosine(n): of the angle between the directions before and after; the azimuth is
        !>         uniform: draw it yourself
        !>
        !> Events come in blocks of 16, and ask for hundreds at a time, too.
        generic :: scatter => scatter_isothermal, scatter_each
    end type electron_sampler

    !> What the last failure was, if it was found in this module and not in the library.
    character(len=160) :: own_failure = ''
    !$omp threadprivate(own_failure)

    interface
        function mcp_sampler_create(spec, handle) bind(c) result(status)
            import :: c_char, c_int, c_ptr
            character(kind=c_char), intent(in) :: spec(*)
            type(c_ptr), intent(out) :: handle
            integer(c_int) :: status
        end function mcp_sampler_create

        subroutine mcp_sampler_destroy(handle) bind(c)
            import :: c_ptr
            type(c_ptr), value :: handle
        end subroutine mcp_sampler_destroy

        function mcp_sampler_theta_range(handle, lo, hi) bind(c) result(status)
            import :: c_double, c_int, c_ptr
            type(c_ptr), value :: handle
            real(c_double), intent(inout) :: lo, hi
            integer(c_int) :: status
        end function mcp_sampler_theta_range

        function mcp_sampler_photon_range(handle, lo, hi) bind(c) result(status)
            import :: c_double, c_int, c_ptr
            type(c_ptr), value :: handle
            real(c_double), intent(inout) :: lo, hi
            integer(c_int) :: status
        end function mcp_sampler_photon_range

        function mcp_sampler_acceptance(handle, theta, acceptance) bind(c) result(status)
            import :: c_double, c_int, c_ptr
            type(c_ptr), value :: handle
            real(c_double), value :: theta
            real(c_double), intent(inout) :: acceptance
            integer(c_int) :: status
        end function mcp_sampler_acceptance

        function mcp_sampler_instruction_set(handle) bind(c) result(name)
            import :: c_ptr
            type(c_ptr), value :: handle
            type(c_ptr) :: name
        end function mcp_sampler_instruction_set

        function mcp_rng_seed(rng, seed, stream) bind(c) result(status)
            import :: c_int, c_int64_t, random_stream
            type(random_stream), intent(inout) :: rng
            integer(c_int64_t), value :: seed, stream
            integer(c_int) :: status
        end function mcp_rng_seed

        function mcp_sample_four_velocity(handle, rng, n, theta, n_theta, u) &
            bind(c) result(status)
            import :: c_double, c_int, c_ptr, c_size_t, random_stream
            type(c_ptr), value :: handle
            type(random_stream), intent(inout) :: rng
            integer(c_size_t), value :: n, n_theta
            real(c_double), intent(in) :: theta(*)
            real(c_double), intent(inout) :: u(*)
            integer(c_int) :: status
        end function mcp_sample_four_velocity

        function mcp_sample_four_velocity_vector(handle, rng, n, theta, n_theta, u3) &
            bind(c) result(status)
            import :: c_double, c_int, c_ptr, c_size_t, random_stream
            type(c_ptr), value :: handle
            type(random_stream), intent(inout) :: rng
            integer(c_size_t), value :: n, n_theta
            real(c_double), intent(in) :: theta(*)
            real(c_double), intent(inout) :: u3(*)
            integer(c_int) :: status
        end function mcp_sample_four_velocity_vector

        function mcp_transform(handle, n, theta, n_theta, z3, u3) bind(c) result(status)
            import :: c_double, c_int, c_ptr, c_size_t
            type(c_ptr), value :: handle
            integer(c_size_t), value :: n, n_theta
            real(c_double), intent(in) :: theta(*), z3(*)
            real(c_double), intent(inout) :: u3(*)
            integer(c_int) :: status
        end function mcp_transform

        function mcp_scatter(handle, rng, n, x, theta, n_theta, x_out, cosine) &
            bind(c) result(status)
            import :: c_double, c_int, c_ptr, c_size_t, random_stream
            type(c_ptr), value :: handle
            type(random_stream), intent(inout) :: rng
            integer(c_size_t), value :: n, n_theta
            real(c_double), intent(in) :: x(*), theta(*)
            real(c_double), intent(inout) :: x_out(*), cosine(*)
            integer(c_int) :: status
        end function mcp_scatter

        pure function mcp_strerror(status) bind(c) result(text)
            import :: c_int, c_ptr
            integer(c_int), value :: status
            type(c_ptr) :: text
        end function mcp_strerror

        pure function mcp_error_text() bind(c) result(text)
            import :: c_ptr
            type(c_ptr) :: text
        end function mcp_error_text

        pure function mcp_version() bind(c) result(text)
            import :: c_ptr
            type(c_ptr) :: text
        end function mcp_version

        function mcp_abi_version() bind(c) result(number)
            import :: c_int
            integer(c_int) :: number
        end function mcp_abi_version

        pure function c_string_length(text) bind(c, name='strlen') result(length)
            import :: c_ptr, c_size_t
            type(c_ptr), value :: text
            integer(c_size_t) :: length
        end function c_string_length
    end interface

contains

    !> call electrons%create(spec [, ierr]): make a sampler from its description.
    !>
    !> 'gan'             the generative network, with the weights compiled into the library
    !> 'gan:FILE'        the same with weights written by `mcplugin export --format c`
    !> 'gan-exact'       the network made exact by rejection against the true density
    !> 'gan-exact:FILE'
    !> 'rejection'       exact rejection (Zenitani & Nakano 2022, Phys. Plasmas 29, 113904)
    !> 'torch:cpu'       the network as TorchScript through an embedded Python
    !> 'torch:cuda'      or on a GPU ('torch:cuda:1' ...)
    !>
    !> or, for scatter instead of electrons,
    !>
    !> 'gan-event'       the generative network of whole Compton events, weights compiled in
    !> 'gan-event:FILE'  the same with weights written by `mcplugin export --format c`
    !> 'exact-event'     electrons of 'rejection', scattered off with the exact cross-section
    !>
    !> Blanks at the end of spec do not count.
    subroutine create_sampler(self, spec, ierr)
        class(electron_sampler), intent(inout) :: self
        character(len=*), intent(in) :: spec
        integer, intent(out), optional :: ierr

        if (c_associated(self%handle)) then
            call report(mcp_error_argument, ierr, &
                'create: this variable holds a sampler already: call its destroy first')
            return
        end if
        call report(int(mcp_sampler_create(trim(spec) // c_null_char, self%handle)), ierr)
    end subroutine create_sampler

    !> call electrons%destroy(): release the sampler; a variable that holds none is left alone.
    subroutine destroy_sampler(self)
        class(electron_sampler), intent(inout) :: self

        call mcp_sampler_destroy(self%handle)
        self%handle = c_null_ptr
    end subroutine destroy_sampler

    !> call electrons%theta_range(lo, hi [, ierr]): lowest and highest valid temperature.
    subroutine sampler_theta_range(self, lo, hi, ierr)
        class(electron_sampler), intent(in) :: self
        real(real64), intent(inout) :: lo, hi
        integer, intent(out), optional :: ierr

        call report(int(mcp_sampler_theta_range(self%handle, lo, hi)), ierr)
    end subroutine sampler_theta_range

    !> call electrons%photon_range(lo, hi [, ierr]): photon energies for which a sampler of events
    !> draws them itself. Outside of them scatter draws exact events, which take longer.
    subroutine sampler_photon_range(self, lo, hi, ierr)
        class(electron_sampler), intent(in) :: self
        real(real64), intent(inout) :: lo, hi
        integer, intent(out), optional :: ierr

        call report(int(mcp_sampler_photon_range(self%handle, lo, hi)), ierr)
    end subroutine sampler_photon_range

    !> call electrons%acceptance(theta, share [, ierr]): share of proposals that are accepted at
    !> the temperature theta, 0 < share <= 1; computed, not sampled. Not for 'exact-event', for
    !> which it depends on the photon.
    subroutine sampler_acceptance(self, theta, share, ierr)
        class(electron_sampler), intent(in) :: self
        real(real64), intent(in) :: theta
        real(real64), intent(inout) :: share
        integer, intent(out), optional :: ierr

        call report(int(mcp_sampler_acceptance(self%handle, theta, share)), ierr)
    end subroutine sampler_acceptance

    !> call electrons%instruction_set(name [, ierr]): 'avx512', 'avx2' or 'generic'.
    subroutine sampler_instruction_set(self, name, ierr)
        class(electron_sampler), intent(in) :: self
        character(len=:), allocatable, intent(inout) :: name
        integer, intent(out), optional :: ierr
        type(c_ptr) :: text

        text = mcp_sampler_instruction_set(self%handle)
        if (c_associated(text)) then
            if (allocated(name)) deallocate (name)
            allocate (character(len=c_string_length(text)) :: name)
            call copy_text(text, name)
            call report(mcp_ok, ierr)
        else
            call report(mcp_error_handle, ierr, &
                'instruction_set: this variable holds no sampler: call its create first')
        end if
    end subroutine sampler_instruction_set

    !> call seed_stream(stream, seed, number [, ierr]): start a sequence of random numbers.
    !>
    !> Streams of one seed with different numbers are independent: give each thread its own number.
    !> Any two integers will do, and the sequence is the same on every machine.
    subroutine seed_stream(stream, seed, number, ierr)
        type(random_stream), intent(inout) :: stream
        integer(int64), intent(in) :: seed, number
        integer, intent(out), optional :: ierr

        call report(int(mcp_rng_seed(stream, seed, number)), ierr)
    end subroutine seed_stream

    ! Arrays that are written are intent(inout), not (out): should the call fail, the temporary copy
    ! of a slice then hands back what was in the slice before.

    subroutine sample_isothermal(self, stream, theta, u, ierr)
        class(electron_sampler), intent(in) :: self
        type(random_stream), intent(inout) :: stream
        real(real64), intent(in) :: theta
        real(real64), contiguous, intent(inout) :: u(:)
        integer, intent(out), optional :: ierr

        call self%sample_each(stream, [theta], u, ierr)
    end subroutine sample_isothermal

    subroutine sample_each(self, stream, theta, u, ierr)
        class(electron_sampler), intent(in) :: self
        type(random_stream), intent(inout) :: stream
        real(real64), contiguous, intent(in) :: theta(:)
        real(real64), contiguous, intent(inout) :: u(:)
        integer, intent(out), optional :: ierr

        call report(int(mcp_sample_four_velocity(self%handle, stream, size(u, kind=c_size_t), &
            theta, size(theta, kind=c_size_t), u)), ierr)
    end subroutine sample_each

    subroutine sample_vector_isothermal(self, stream, theta, u, ierr)
        class(electron_sampler), intent(in) :: self
        type(random_stream), intent(inout) :: stream
        real(real64), intent(in) :: theta
        real(real64), contiguous, intent(inout) :: u(:, :)
        integer, intent(out), optional :: ierr

        call self%sample_vector_each(stream, [theta], u, ierr)
    end subroutine sample_vector_isothermal

    subroutine sample_vector_each(self, stream, theta, u, ierr)
        class(electron_sampler), intent(in) :: self
        type(random_stream), intent(inout) :: stream
        real(real64), contiguous, intent(in) :: theta(:)
        real(real64), contiguous, intent(inout) :: u(:, :)
        integer, intent(out), optional :: ierr

        if (size(u, 1) /= 3) then
            call report(mcp_error_argument, ierr, 'sample: u must have the shape (3, n), not ' &
                // trim(shape_text(u)))
            return
        end if
        call report(int(mcp_sample_four_velocity_vector(self%handle, stream, &
            size(u, 2, kind=c_size_t), theta, size(theta, kind=c_size_t), u)), ierr)
    end subroutine sample_vector_each

    subroutine transform_isothermal(self, theta, z, u, ierr)
        class(electron_sampler), intent(in) :: self
        real(real64), intent(in) :: theta
        real(real64), contiguous, intent(in) :: z(:, :)
        real(real64), contiguous, intent(inout) :: u(:, :)
        integer, intent(out), optional :: ierr

        call self%transform_each([theta], z, u, ierr)
    end subroutine transform_isothermal

    subroutine transform_each(self, theta, z, u, ierr)
        class(electron_sampler), intent(in) :: self
        real(real64), contiguous, intent(in) :: theta(:)
        real(real64), contiguous, intent(in) :: z(:, :)
        real(real64), contiguous, intent(inout) :: u(:, :)
        integer, intent(out), optional :: ierr

        if (size(u, 1) /= 3 .or. any(shape(z) /= shape(u))) then
            call report(mcp_error_argument, ierr, &
                'transform: z and u must both have the shape (3, n), not ' // &
                trim(shape_text(z)) // ' and ' // trim(shape_text(u)))
            return
        end if
        call report(int(mcp_transform(self%handle, size(u, 2, kind=c_size_t), &
            theta, size(theta, kind=c_size_t), z, u)), ierr)
    end subroutine transform_each

    subroutine scatter_isothermal(self, stream, x, theta, x_out, cosine, ierr)
        class(electron_sampler), intent(in) :: self
        type(random_stream), intent(inout) :: stream
        real(real64), contiguous, intent(in) :: x(:)
        real(real64), intent(in) :: theta
        real(real64), contiguous, intent(inout) :: x_out(:), cosine(:)
        integer, intent(out), optional :: ierr

        call self%scatter_each(stream, x, [theta], x_out, cosine, ierr)
    end subroutine scatter_isothermal

    subroutine scatter_each(self, stream, x, theta, x_out, cosine, ierr)
        class(electron_sampler), intent(in) :: self
        type(random_stream), intent(inout) :: stream
        real(real64), contiguous, intent(in) :: x(:), theta(:)
        real(real64), contiguous, intent(inout) :: x_out(:), cosine(:)
        integer, intent(out), optional :: ierr
        character(len=72) :: sizes

        if (size(x_out) /= size(x) .or. size(cosine) /= size(x)) then
            write (sizes, '(i0, ", ", i0, " and ", i0)') &
                size(x, kind=int64), size(x_out, kind=int64), size(cosine, kind=int64)
            call report(mcp_error_argument, ierr, &
                'scatter: x, x_out and cosine must have the same size, not ' // trim(sizes))
            return
        end if
        call report(int(mcp_scatter(self%handle, stream, size(x, kind=c_size_t), x, &
            theta, size(theta, kind=c_size_t), x_out, cosine)), ierr)
    end subroutine scatter_each

    !> What went wrong in the last failed call of this thread: value, allowed range, remedy. ''
    !> if none failed. Indices in it count from 0.
    function mcplugin_error_text() result(text)
        character(len=error_length()) :: text

        if (own_failure /= '') then
            text = own_failure
        else
            call copy_text(mcp_error_text(), text)
        end if
    end function mcplugin_error_text

    ! Lengths of results are computed, not deferred: gfortran keeps a deferred length in memory that
    ! all threads share.
    pure integer function error_length()
        if (own_failure /= '') then
            error_length = len_trim(own_failure)
        else
            error_length = int(c_string_length(mcp_error_text()))
        end if
    end function error_length

    !> What a value of ierr means, in general.
    function mcplugin_status_text(status) result(text)
        integer, intent(in) :: status
        character(len=int(c_string_length(mcp_strerror(int(status, c_int))))) :: text

        call copy_text(mcp_strerror(int(status, c_int)), text)
    end function mcplugin_status_text

    !> Version of the library.
    function mcplugin_version() result(text)
        character(len=int(c_string_length(mcp_version()))) :: text

        call copy_text(mcp_version(), text)
    end function mcplugin_version

    !> Version of the library's binary interface; this module was written for 2.
    function mcplugin_abi_version() result(number)
        integer :: number

        number = int(mcp_abi_version())
    end function mcplugin_abi_version

    !> Hand a status to the caller, or end the program if the caller did not ask for it.
    subroutine report(status, ierr, text)
        integer, intent(in) :: status
        integer, intent(out), optional :: ierr
        character(len=*), intent(in), optional :: text

        if (status /= mcp_ok) then
            own_failure = ''
            if (present(text)) own_failure = text
        end if
        if (present(ierr)) then
            ierr = status
        else if (status /= mcp_ok) then
            write (error_unit, '(a)') 'mcplugin: ' // mcplugin_error_text()
            flush (error_unit)
            error stop
        end if
    end subroutine report

    !> The shape of an array, as '(3, 100)'.
    function shape_text(array) result(text)
        real(real64), intent(in) :: array(:, :)
        character(len=48) :: text

        write (text, '("(", i0, ", ", i0, ")")') shape(array, kind=int64)
    end function shape_text

    !> Copy a C string of as many letters as the copy has.
    subroutine copy_text(c_text, copy)
        type(c_ptr), intent(in) :: c_text
        character(len=*), intent(out) :: copy
        character(kind=c_char), pointer :: letters(:)
        integer :: i

        call c_f_pointer(c_text, letters, [len(copy)])
        do i = 1, len(copy)
            copy(i:i) = letters(i)
        end do
    end subroutine copy_text

end module mcplugin
